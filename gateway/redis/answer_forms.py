"""What scripts return, as Redis gives it: int, bytes, None, or lists of these. Pure.

An answer of another form is none: the server is not what it seems, or the connection has come out of step and
this answers another question.
"""

from collections.abc import Callable
from typing import Any

Form = Callable[[Any], bool]
"""Whether an answer has it."""


def anything(_: Any) -> bool:
    """Who asks looks at it."""
    return True


def integer(answer: Any) -> bool:
    """A number."""
    return type(answer) is int


def text(answer: Any) -> bool:
    """Bytes."""
    return type(answer) is bytes


def scalar(answer: Any) -> bool:
    """What comes from Lua as it is: text or a number."""
    return type(answer) is bytes or type(answer) is int


def optional(*forms: Form) -> Form:
    """Nothing (what Lua calls false), or what has one of the forms."""

    def fits(answer: Any) -> bool:
        return answer is None or any(form(answer) for form in forms)

    return fits


def row(*forms: Form) -> Form:
    """A list with one item for each form."""

    def fits(answer: Any) -> bool:
        if type(answer) is not list or len(answer) != len(forms):
            return False
        return all(form(item) for form, item in zip(forms, answer, strict=True))

    return fits


def items(form: Form, least: int = 0) -> Form:
    """A list of any length from `least` on."""

    def fits(answer: Any) -> bool:
        return type(answer) is list and len(answer) >= least and all(map(form, answer))

    return fits
