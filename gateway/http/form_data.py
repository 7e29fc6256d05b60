"""Reads the parameters of a body for checks only: what is sent upstream is never what is read here.

Three readers for the three body formats. Each returns every repeat and raises `Unreadable` rather than guess.
How much a body may hold is bounded, because it is read on the event loop.
"""

import json
import re
from binascii import a2b_qp
from typing import Any, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from gateway.http.escapes import unescape
from gateway.http.media_type import read_parameters
from gateway.http.parameter_names import is_ambiguous

Fields = list[tuple[str, str]]
"""(name, value) pairs in the order sent, repeats included."""

_MAX_FIELDS: Final = 3_000
_MAX_SEMICOLON_BYTES: Final = 131_072
"""A form with semicolons is read twice. Every encoder escapes them."""
_MAX_PARTS: Final = 500
_MAX_LINES: Final = 200_000
_MAX_DEPTH: Final = 32
MAX_JSON_MARKS: Final = 5_000
"""Commas and opening brackets outside strings. More than that takes too long to read on the event loop."""

# Without form rules a form needs reading only if it may hold an account's SID or `_method`: a name with
# anything but letters and digits may be spelt otherwise than it reads, and so may an escaped letter. All on a
# lower-case copy; each begins with bytes that can be looked for as they are, which takes a tenth of the time.
_ODD_FIRST_NAME: Final = re.compile(rb"[a-z0-9]*+[^a-z0-9=&]")
_ODD_NAME: Final = re.compile(rb"&[a-z0-9]*+[^a-z0-9=&]")
_ODD_NAME_AFTER_SEMICOLON: Final = re.compile(rb";[a-z0-9]*+[^a-z0-9=&;]")
_ACCOUNT_NAME: Final = re.compile(rb"(?:^|[&;])[a-z0-9]*?account")
_SID: Final = re.compile(rb"ac[0-9a-f]{32}")
_JSON_OVERRIDE: Final = re.compile(rb'"[^a-z0-9"]++method')
_PLAIN_ESCAPE: Final = re.compile(rb"%(?:3[0-9]|[46][1-9a-f]|[57][0-9a])")
# A part in one of these reads the same as ASCII wherever a name, a SID or a number stands.
_ASCII_COMPATIBLE: Final = re.compile(
    r"utf-?8|(?:us-)?ascii|iso-8859-[0-9]{1,2}|(?:windows-|cp)125[0-9]", re.IGNORECASE
)
_PLAIN_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})


class Unreadable(Exception):
    """The body is not what its Content-Type says; the message says why, and quotes nothing."""


def is_suspect_form(body: bytes) -> bool:
    """Whether a form must be read even without form rules (linear in the body)."""
    if body.count(b"&") >= _MAX_FIELDS:
        return True  # the reader refuses it
    lower = body.lower()
    if _ODD_FIRST_NAME.match(lower) or _ODD_NAME.search(lower) or _SID.search(lower):
        return True
    if b";" in lower and _ODD_NAME_AFTER_SEMICOLON.search(lower):
        return True
    if b"account" in lower and _ACCOUNT_NAME.search(lower):
        return True
    return _PLAIN_ESCAPE.search(lower) is not None or b"%5cu00" in lower or b"\\u00" in lower


def is_suspect_json(body: bytes) -> bool:
    """The same for JSON. NUL: UTF-16 or UTF-32, which lenient readers recognise by it (RFC 4627 3)."""
    lower = body.lower()
    if b"account" in lower or b"\\u" in lower or b"\0" in lower or _SID.search(lower) is not None:
        return True
    return b"method" in lower and _JSON_OVERRIDE.search(lower) is not None


def read_urlencoded(body: bytes) -> Fields:
    """The pairs of an application/x-www-form-urlencoded body (WHATWG URL 5.1)."""
    return _read_pairs(body, b"")


def read_semicolons(body: bytes) -> Fields:
    """The pairs of a reader that takes ";" for a separator, too (HTML 4.01 B.2.2); none without one."""
    if b";" not in body:
        return []
    if len(body) > _MAX_SEMICOLON_BYTES:
        raise Unreadable("a form of this length must write a semicolon as %3B")
    return _read_pairs(body, b";")


def _read_pairs(body: bytes, separator: bytes) -> Fields:
    try:
        text = body.decode("utf-8")
        if separator:
            return _split_pairs(text.replace(";", "&"))
        plain = _unescape(text, body)
        return _split_pairs(text) if plain is None else _split_unescaped(plain)
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise Unreadable("the form is not UTF-8, escapes included, or has too many fields") from error


_AS_QUOTED_PRINTABLE: Final = bytes.maketrans(b"%=+", b"=% ")


def _unescape(text: str, body: bytes) -> str | None:
    """A whole form decoded at once, in half the time; None where only its pieces can be decoded.

    It may be done before the form is split where no escape stands for a separator, and where all bytes but
    escapes are ASCII: else bytes of one character could be half escaped. An escape is written like one of
    quoted-printable (RFC 2045 6.7) but for its first byte, and `binascii` decodes these once "%" and "=" have
    changed places, if neither is escaped. It joins lines, and passes over what is no escape; the length shows
    the latter.
    """
    if not text.isascii():
        return None
    if "%" not in text:
        return text.replace("+", " ")
    if "%26" in text or "%3D" in text or "%25" in text or "%3d" in text or "\n" in text or "\r" in text:
        return None
    plain = a2b_qp(body.translate(_AS_QUOTED_PRINTABLE))
    if len(plain) != len(text) - 2 * text.count("%"):
        return None
    return plain.decode("utf-8").replace("%", "=")


def _split_unescaped(text: str) -> Fields:
    fields: Fields = []
    pairs = text.split("&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    for pair in pairs:
        if pair:
            name, _, value = pair.partition("=")
            fields.append((name, value))
    return fields


def _split_pairs(text: str) -> Fields:
    """What `parse_qsl(text, keep_blank_values=True, errors="strict")` gives, in half the time."""
    pairs = text.split("&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    parted = [pair.partition("=") for pair in pairs if pair]
    return [(_decode(name), _decode(value)) for name, _, value in parted]


def _decode(text: str) -> str:
    text = text.replace("+", " ")
    return unescape(text.encode()) if "%" in text else text


def read_multipart(body: bytes, boundary: str) -> Fields:
    """The parts of a multipart/form-data body (RFC 7578); a file's content counts as its value."""
    if body.count(b"\r\n") > _MAX_LINES:
        raise Unreadable("the multipart body has too many lines")
    fields: Fields = []
    name, value = "", bytearray()
    try:
        with PushMultipartParser(
            boundary, max_segment_count=_MAX_PARTS, strict=True, content_length=len(body)
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
    if not parameters.keys() <= {"name", "filename", "filename*"} or is_ambiguous(name):
        raise Unreadable("a part's name can be read in more than one way")
    if content_type[0].startswith("multipart/"):
        raise Unreadable("a part has parts of its own (RFC 7578 4.3)")
    if head.get("Content-Transfer-Encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise Unreadable("a part has a Content-Transfer-Encoding (RFC 7578 4.7)")
    if not _ASCII_COMPATIBLE.fullmatch(content_type[1].get("charset", "utf-8")):
        raise Unreadable("a part is in a charset that is not a superset of ASCII")
    return name


def read_json(body: bytes) -> Fields:
    """Every scalar of a JSON body but null, with the path of names to it (`a.b`; lists do not show).

    Below a name that is an AccountSid null, `{}` and `[]` are scalars, too: "".
    """
    fields: Fields = []
    _collect("", load_json(body), 0, fields)
    return fields


def load_json(body: bytes) -> Any:
    """Parse strictly: UTF-8, no repeated names, no NaN. Numbers stay as written. Raises `Unreadable`."""
    if _count_marks(body) > MAX_JSON_MARKS:
        raise Unreadable("the JSON holds too many values")
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


def _count_marks(body: bytes) -> int:
    """Commas and opening brackets outside strings; possibly too many where counting costs too much."""
    marks = body.count(b",") + body.count(b"[") + body.count(b"{")
    if marks <= MAX_JSON_MARKS:
        return marks
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = body.count(b'"')
    if quotes > 4 * MAX_JSON_MARKS:
        return quotes
    outside = b"".join(body.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{")


def _collect(path: str, value: Any, depth: int, fields: Fields) -> None:
    """Append the scalars of `value`, whose name is `path`."""
    if isinstance(value, str):
        fields.append((path, value))
    elif isinstance(value, dict):
        if depth == _MAX_DEPTH:
            raise Unreadable("the JSON is nested too deeply")
        for name, inner in value.items():
            _collect(f"{path}.{name}" if path else name, inner, depth + 1, fields)
    elif isinstance(value, list):
        if depth == _MAX_DEPTH:
            raise Unreadable("the JSON is nested too deeply")
        for inner in value:
            _collect(path, inner, depth + 1, fields)
    elif value is not None:
        fields.append((path, "true" if value else "false"))
    if (value is None or value == {} or value == []) and _SID.search(path.lower().encode()):
        fields.append((path, ""))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated name")
    return found


def _refuse_constant(_: str) -> Any:
    raise ValueError("not a JSON number")
