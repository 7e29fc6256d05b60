"""Converting a body for a consumer with `convert: true`: a flat JSON object, or a form in another charset.

Forms of all other consumers are never decoded and encoded again (docs/design.md 4.5).
"""

import json
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway.errors import Refusal
from gateway.http.form_data import Unreadable, load_json

UTF8 = frozenset({"", "utf_8", "ascii"})
# Charsets that browsers ever sent forms in, by every name that Python knows them by. Not `codecs.lookup`: it
# keeps each name that it was ever asked for, and some codecs are slow (`idna` is quadratic: CVE-2022-45061).
_FORM_CHARSET = re.compile(
    r"ascii|utf_8|latin_1|iso8859_[0-9]{1,2}|cp(?:125[0-8]|866|874|932|949|950)|koi8_[ru]"
    r"|mac_(?:roman|cyrillic)|shift_jis|euc_jp|euc_kr|iso2022_jp|gb2312|gbk|gb18030|big5(?:hkscs)?"
)
_CHARSETS = {
    alias: codec
    for known in aliases.items()
    for alias, codec in (known, (known[1], known[1]))
    if _FORM_CHARSET.fullmatch(codec)
}


def canonical_charset(name: str) -> str | None:
    """Python's name of a charset, '' for none, None for one that no form is in."""
    return _CHARSETS.get(normalize_encoding(name).lower()) if name else ""


def form_from_json(data: bytes) -> bytes:
    """A flat JSON object as a form: arrays of scalars repeat the name, null is dropped."""
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
    try:
        return urlencode(pairs).encode("ascii")
    except UnicodeEncodeError as lone:  # a surrogate: "\ud800" is JSON, but no text
        raise Refusal("bad_body", "The body cannot be made a form: a string is not valid Unicode.") from lone


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def transcode_form(data: bytes, charset: str) -> bytes:
    """A form whose escapes are in `charset`, as one in UTF-8; order and repeats stay."""
    try:
        pairs = parse_qsl(data.decode(charset), keep_blank_values=True, encoding=charset, errors="strict")
        return urlencode(pairs).encode("ascii")
    except ValueError as error:
        raise Refusal("bad_body", "The form's bytes are not in the charset that it declares.") from error
