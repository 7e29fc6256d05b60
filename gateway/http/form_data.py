"""Reading the parameters of a body, for judging only: what is sent upstream is never what is read here.

Three readers for the three body kinds; each gives every repeat and raises `Unreadable` rather than guess.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from gateway.http.media_type import read_parameters

Fields = list[tuple[str, str]]
"""(name, value) pairs in the order sent, repeats included."""

_MAX_FIELDS = 10_000
_MAX_DEPTH = 32
# A name with anything but letters and digits may be spelt otherwise than it reads; one with "account" may
# hold an AccountSid. All others need no parsing unless the consumer has form rules.
_SUSPECT_NAME = re.compile(
    rb"(?:^|[&;])(?:[A-Za-z0-9]*[^A-Za-z0-9=&;]|[A-Za-z0-9]*?[Aa][Cc][Cc][Oo][Uu][Nn][Tt])"
)
# PHP and its like turn " ", "." and "-" in names into "_"; "[" begins an array.
_SEPARATORS = re.compile(r"[\s.\-]")
# NUL: JSON in UTF-16 or UTF-32, which lenient readers recognise by it (RFC 4627 3).
_SUSPECT_JSON = re.compile(rb"(?i)account|\\u|\x00")
# A part in one of these reads the same as ASCII wherever a name, a SID or a number stands.
_ASCII_COMPATIBLE = re.compile(
    r"utf-?8|(?:us-)?ascii|iso-8859-[0-9]{1,2}|(?:windows-|cp)125[0-9]", re.IGNORECASE
)
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary"})


class Unreadable(Exception):
    """The body is not what its Content-Type says; the message says why, and quotes nothing."""


def is_suspect(body: bytes, *, is_json: bool) -> bool:
    """Whether some parameter's name deserves a closer look even without form rules (linear in the body)."""
    return (_SUSPECT_JSON if is_json else _SUSPECT_NAME).search(body) is not None


def looks_like_override(name: str) -> bool:
    """Whether a decoded parameter name is `_method` to some reader."""
    if name.isalnum():
        return False
    name = unquote_plus(name).casefold().replace("\0", "").strip()
    name = _SEPARATORS.sub("_", name.partition("[")[0])
    return name.startswith("_") and name.strip("_") == "method"


def read_urlencoded(body: bytes) -> Fields:
    """The pairs of an application/x-www-form-urlencoded body (WHATWG URL 5.1).

    Where a ";" stands, the pairs of a reader that takes it for a separator (HTML 4.01 B.2.2) are given, too.
    """
    try:
        text = body.decode("utf-8")
        fields = _split_unescaped(text)
        return fields + _split_pairs(text.replace(";", "&")) if ";" in text else fields
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise Unreadable("the form is not UTF-8, escapes included, or has too many fields") from error


def _split_unescaped(text: str) -> Fields:
    """The same as `_split_pairs`, with one decoding for all names and values.

    It may come first where no escape stands for a separator, and where all bytes but escapes are ASCII: else
    bytes of one character could be half escaped.
    """
    if "%26" in text or "%3D" in text or "%3d" in text or not text.isascii():
        return _split_pairs(text)
    pairs = _decode(text).split("&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    return [(name, value) for name, _, value in [pair.partition("=") for pair in pairs if pair]]


def _split_pairs(text: str) -> Fields:
    """What `parse_qsl(text, keep_blank_values=True, errors="strict")` gives, in half the time."""
    pairs = text.split("&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    parted = [pair.partition("=") for pair in pairs if pair]
    return [(_decode(name), _decode(value)) for name, _, value in parted]


def _decode(text: str) -> str:
    text = text.replace("+", " ")
    return unquote_to_bytes(text).decode("utf-8") if "%" in text else text


def read_multipart(body: bytes, boundary: str) -> Fields:
    """The parts of a multipart/form-data body (RFC 7578); a file's content counts as its value."""
    fields: Fields = []
    name, value = "", bytearray()
    try:
        with PushMultipartParser(
            boundary, max_segment_count=_MAX_FIELDS, strict=True, content_length=len(body)
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    name, value = _require_part(event.headerlist), bytearray()
                elif event is None:
                    fields.append((name, value.decode("utf-8", "replace")))
                else:
                    value += event
    except (MultipartError, ValueError) as error:
        raise Unreadable("the multipart body does not parse") from error
    # Readers differ in what may follow a boundary on its line, or stand before it (RFC 2046 5.1.1).
    if body.count(b"--" + boundary.encode()) != len(fields) + 1:
        raise Unreadable("the boundary stands inside a part, or after the last one")
    return fields


def _require_part(headers: list[tuple[str, str]]) -> str:
    """The name of a part, if its head leaves no choice of what name and value are."""
    head = dict(headers)
    disposition = read_parameters(head.get("Content-Disposition", ""))
    content_type = read_parameters(head.get("Content-Type", ""))
    if len(head) != len(headers) or disposition is None or content_type is None:
        raise Unreadable("a part's head can be read in more than one way")
    parameters = disposition[1]
    name = parameters.get("name", "")
    if not parameters.keys() <= {"name", "filename", "filename*"} or "\\" in name or "%" in name:
        raise Unreadable("a part's name can be read in more than one way")
    if head.get("Content-Transfer-Encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise Unreadable("a part has a Content-Transfer-Encoding (RFC 7578 4.7)")
    if not _ASCII_COMPATIBLE.fullmatch(content_type[1].get("charset", "utf-8")):
        raise Unreadable("a part is in a charset that is not a superset of ASCII")
    return name


def read_json(body: bytes) -> Fields:
    """Every scalar of a JSON body with the name it stands under, at any depth."""
    return list(_walk("", load_json(body), 0))


def load_json(body: bytes) -> Any:
    """Parse strictly: UTF-8, no repeated names, no NaN. Numbers stay as written. Raises `Unreadable`."""
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=str,
            parse_int=str,
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable("the JSON does not parse, or repeats a name") from error


def _walk(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        raise Unreadable("the JSON is nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(key, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(name, inner, depth + 1)
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated name")
    return found


def _refuse_constant(_: str) -> Any:
    raise ValueError("not a JSON number")
