"""Which answers Twilio reads as TwiML, and in which encoding their bytes are. Pure.

The types are those of https://www.twilio.com/docs/voice/twiml: `text/html`, which many frameworks say of any
text, is one of them.
"""

import codecs
import re
from typing import Final

_XML_TYPE: Final = re.compile(rb"(?:text|application)/(?:[a-z0-9!#$&^_.+-]+\+)?xml", re.IGNORECASE)
_MAYBE_TYPES: Final = (b"text/html", b"")
_ROOT: Final = re.compile(rb"\s*+(?:<\?[^>]*+>\s*+|<!--(?:[^-]|-(?!->))*+-->\s*+)*+<(?:\w+:)?Response[\s/>]")
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (b"<\0\0\0", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (b"\0\0\0<", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (b"<\0", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"), (b"\0<", "utf-16-be"),
)  # fmt: skip
"""How such a document begins (XML 1.0, appendix F), four bytes before two."""


def is_twiml(content_type: bytes, body: bytes) -> bool:
    """Whether Twilio reads an answer as TwiML: XML by its type, or HTML or of no type with a TwiML root."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind in _MAYBE_TYPES:
        encoding = wide_encoding(body)
        start = body[:4096].decode(encoding, "ignore").encode() if encoding else body[:4096]
        return _ROOT.match(start.removeprefix(codecs.BOM_UTF8)) is not None
    return _XML_TYPE.fullmatch(kind) is not None


def wide_encoding(body: bytes) -> str:
    """The encoding of a document whose characters take two or four bytes, '' for any other."""
    return next((name for start, name in _WIDE if body.startswith(start)), "")
