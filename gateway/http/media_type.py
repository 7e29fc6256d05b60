"""Reading `type; name=value` fields (RFC 9110 5.6.6) so that no other reader could find something else.

Content-Type and Content-Disposition decide how a body is read. What one reader takes from the first of two
`boundary`s and another from the last is therefore not guessed: it does not parse.
"""

import re
from typing import Final

_PARAMETER: Final = re.compile(
    r"""\s*;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\(?!"))*)"|([^\s";,\\]+))"""
)
_REST: Final = re.compile(r"[\s;]*")
# `; UTF-8` and `; charset: utf-8`, as some clients write it.
_BARE_CHARSET: Final = re.compile(
    r"([^;]+);\s*(?:charset\s*:?\s*)?([A-Za-z0-9][A-Za-z0-9_.:-]*)\s*;?\s*", re.IGNORECASE
)


def read_parameters(value: str) -> tuple[str, dict[str, str]] | None:
    """(type, parameters), names and type in lower case, or None if there is more than one way to read it.

    A backslash before a quote ends the string for some readers and not for others; any other one stays.
    """
    kind, semicolon, _ = value.partition(";")
    kind = kind.strip().lower()
    if not semicolon:
        return kind, {}
    at = value.index(";")
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(value, at):
        name = match[1].lower()
        if name in parameters:
            return None
        parameters[name] = match[3] if match[2] is None else match[2]
        at = match.end()
    return (kind, parameters) if _REST.fullmatch(value, at) else None


def read_bare_charset(value: str) -> tuple[str, str] | None:
    """(type, charset) of a Content-Type whose only parameter is a charset without `charset=`, else None."""
    match = _BARE_CHARSET.fullmatch(value)
    return None if match is None else (match[1].strip().lower(), match[2])
