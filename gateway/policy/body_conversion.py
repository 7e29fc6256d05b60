"""Converting a body for a consumer with `convert: true`: a flat JSON object, or a form in another charset.

Forms of all other consumers are never decoded and encoded again (docs/design.md 4.5).
"""

import json
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from gateway.errors import Refusal
from gateway.http.form_data import Unreadable, load_json

UTF8: Final = frozenset({"", "utf_8", "ascii"})
# Charsets that browsers ever sent forms in, by every name that Python knows them by. Not `codecs.lookup`: it
# keeps each name that it was ever asked for, and some codecs are slow.
_FORM_CHARSET: Final = re.compile(
    r"ascii|utf_8|latin_1|iso8859_[0-9]{1,2}|cp(?:125[0-8]|866|874|932|949|950)|koi8_[ru]"
    r"|mac_(?:roman|cyrillic)|shift_jis|euc_jp|euc_kr|iso2022_jp|gb2312|gbk|gb18030|big5(?:hkscs)?"
)
_CHARSETS: Final = {
    alias: codec
    for known in aliases.items()
    for alias, codec in (known, (known[1], known[1]))
    if _FORM_CHARSET.fullmatch(codec)
}


MAX_CONVERTED_BYTES: Final = 131_072
MAX_TRANSCODED_BYTES: Final = 32_768
MAX_CONVERTED_FIELDS: Final = 2_000
"""What is converted is decoded and encoded again on the event loop, in some 10 ms at this length."""

_ASCII_SUPERSET: Final = re.compile(
    r"latin_1|iso8859_.*|cp(?:125|866|874|949|950).*|koi8_.|mac_.*|euc_.*|gb.*|big5.*"
)
_HIGH_ESCAPE: Final = re.compile(rb"%[89A-Fa-f]")


def is_ascii_form(data: bytes, charset: str) -> bool:
    """Whether a form reads the same in `charset` and in UTF-8: ASCII alone, escapes included."""
    if not data.isascii() or _HIGH_ESCAPE.search(data):
        return False
    return _ASCII_SUPERSET.fullmatch(charset) is not None


def canonical_charset(name: str) -> str | None:
    """Python's name of a charset, '' for none, None for one that no form is in."""
    return _CHARSETS.get(normalize_encoding(name).lower()) if name else ""


def form_from_json(data: bytes) -> bytes:
    """A flat JSON object as a form: arrays of scalars repeat the name, null is dropped."""
    _require_short(data, MAX_CONVERTED_BYTES)
    try:
        loaded = load_json(data)
    except Unreadable as error:
        raise Refusal("bad_body", f"The body cannot be made a form: {error}.") from error
    if not isinstance(loaded, dict):
        raise Refusal("bad_body", "The body cannot be made a form: it is not a JSON object.")
    pairs: list[tuple[str, str]] = []
    for name, value in loaded.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, dict | list):
                raise Refusal("bad_body", "The body cannot be made a form: it is nested; make it flat.")
            if item is not None:
                pairs.append((name, _scalar(item)))
    if len(pairs) > MAX_CONVERTED_FIELDS:
        raise Refusal("bad_body", "The body cannot be made a form: it has too many fields.")
    try:
        return urlencode(pairs).encode("ascii")
    except UnicodeEncodeError as lone:  # a surrogate: "\ud800" is JSON, but no text
        raise Refusal("bad_body", "The body cannot be made a form: a string is not valid Unicode.") from lone


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def transcode_form(data: bytes, charset: str) -> bytes:
    """A form whose escapes are in `charset`, as one in UTF-8; order and repeats stay."""
    _require_short(data, MAX_TRANSCODED_BYTES)
    if data.count(b"&") >= MAX_CONVERTED_FIELDS:
        raise Refusal("bad_body", "The form has too many fields to be converted.")
    try:
        pairs = parse_qsl(data.decode(charset), keep_blank_values=True, encoding=charset, errors="strict")
        return urlencode(pairs).encode("ascii")
    except ValueError as error:
        raise Refusal("bad_body", "The form's bytes are not in the charset that it declares.") from error


def _require_short(data: bytes, bound: int) -> None:
    if len(data) > bound:
        raise Refusal(
            "body_too_large",
            f"A body to be converted may have at most {bound} bytes: send a form in UTF-8.",
        )
