"""pydantic's errors in our words: what was expected, and what to write instead. Never what was given.

Works on error types and key paths alone. An error type that is not in the table is reported without
pydantic's text, because a text we have not read may quote its input.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from gateway.config.checking.hints import form_hint, number_hint, sid_hint, text_hint
from gateway.config.checking.indentation import find_outdented
from gateway.config.checking.known_names import describe_name, known_names, suggest
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.secret_values import MAPPING, REFERENCE, TEXT

RENAMED: Final[Mapping[KeyPath, str]] = {
    ("governor",): "concurrency",
    ("retry", "attempts"): "max_attempts",
    ("retry", "first_backoff_seconds"): "initial_backoff_seconds",
    ("retry", "longest_backoff_seconds"): "max_backoff_seconds",
}
"""The former path of a setting -> its name now. A former name is refused, with the new one in the message."""
REMOVED: Final[Mapping[KeyPath, tuple[str, str]]] = {
    ("retry", "post_on_503"): (
        "is gone: Twilio may have acted on a POST that it answered with 503",
        "remove it; with `ask: true` in a credential's `repeat_guard` Twilio is asked, and "
        "`repeat_guard.resend_absent: true` sends again what it does not have",
    ),
}
"""A removed setting -> what to say about it, and what to write instead."""

_BESIDE: Final = {1: "stands beside the sections", 2: "stands beside the names of its section"}
_NOT_IN_THE_FILE: Final = frozenset({TEXT, MAPPING, REFERENCE, "[key]"})

_MAPPING: Final = ("must be a mapping", "write `name: value` beneath it")
_LIST: Final = ("must be a list", 'write ["a", "b"], or lines that begin with "-"')
_TIME: Final = ("must be a date and time", "write it like 2027-01-01T00:00:00Z")
_WHOLE: Final = ("must be a whole number", "write it in digits")
_NUMBER: Final = ("must be a number", "write it in digits")
_BOOLEAN: Final = ("must be true or false", "write true or false")
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "too_short": ("is empty", "write at least one"),
    "timezone_aware": ("needs a time zone", "write it like 2027-01-01T00:00:00Z"),
    "greater_than": ("must be more than {gt}", "choose a larger number"),
    "greater_than_equal": ("must be at least {ge}", "choose a larger number"),
    "less_than_equal": ("must be at most {le}", "choose a smaller number"),
    "literal_error": ("must be one of {expected}", ""),
}


def explain(error: ValidationError, tree: Mapping[str, object]) -> list[Finding]:
    """What pydantic found. `tree` is what was judged; it is asked only whether a value is there."""
    lines = (
        (str(line["type"]), _key_path(line["loc"]), line.get("ctx") or {})
        for line in error.errors(include_url=False, include_input=False)
    )
    outdented = find_outdented(tree)
    owners = set(outdented.values())
    return [
        _explain_one(kind, path, context, tree)
        if path not in outdented
        else Finding(path, _BESIDE[len(path)], f"indent it below `{outdented[path][-1]}`")
        for kind, path, context in lines
        # What stands above it is empty because its names are not indented: said there.
        if path not in owners or _value_at(tree, path) not in (None, {})
        # pydantic counts only the good items: a list of one bad item is "too short" as well.
        if kind != "too_short" or not _value_at(tree, path)
    ]


def _explain_one(kind: str, path: KeyPath, context: Mapping[str, Any], tree: Mapping[str, object]) -> Finding:
    if kind == "gateway":  # fields.refuse
        value = _value_at(tree, path)
        hint = form_hint(path, value) or sid_hint(path, value) or str(context["hint"])
        return Finding(path, str(context["message"]), hint)
    if kind == "extra_forbidden" and (renamed := RENAMED.get(path)):
        return Finding(path, f"is now called `{renamed}`", _spell_out(path, renamed))
    if kind == "extra_forbidden" and path in REMOVED:
        return Finding(path, *REMOVED[path])
    if kind == "extra_forbidden":
        return Finding(path, "unknown name", suggest(str(path[-1]), known_names(path[:-1])))
    if kind == "missing":
        return Finding(path, "missing", f"add `{path[-1]}: …`. {describe_name(path)}".rstrip())
    if kind.startswith(("datetime", "date_")):
        return Finding(path, *_TIME)
    if kind == "string_type" and (hint := text_hint(path, _value_at(tree, path))):
        return Finding(path, "must be text", hint)
    if kind == "string_type":
        return Finding(path, "must be text", f"put it in quotes. {describe_name(path)}".rstrip())
    if kind in ("model_type", "dict_type", "mapping_type") and _value_at(tree, path) is None:
        return Finding(path, "is empty", "write `name: value` beneath it, or remove the line")
    message, hint = _WORDS.get(kind, ("not a value that can be used here", describe_name(path)))
    if (message, hint) in (_WHOLE, _NUMBER):
        hint = number_hint(path, _value_at(tree, path)) or hint
    return Finding(path, message.format_map(context), hint)


def _spell_out(path: KeyPath, renamed: str) -> str:
    """How to write a renamed setting, in the file and in the environment."""
    parts = [*map(str, path[:-1]), renamed]
    below = "" if path[1:] else "__…"
    return f"write `{renamed}:` here, or GATEWAY__{'__'.join(parts).upper()}{below} in the environment"


def _key_path(location: tuple[int | str, ...]) -> KeyPath:
    return tuple(part for part in location if part not in _NOT_IN_THE_FILE)


def _value_at(tree: object, path: KeyPath) -> object:
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree
