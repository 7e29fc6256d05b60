"""Percent-decoding (RFC 3986 2.1) of texts that may be long. Pure."""

from binascii import a2b_qp
from typing import Final

_MAX_BROKEN: Final = 10_000
"""Broken escapes of one text. Each costs more than one that is whole, and no encoder writes any."""
_MARK: Final = b"\xff"  # in no UTF-8
_ESCAPED_MARKS: Final = (b"%FF", b"%ff", b"%Ff", b"%fF")
_TO_QUOTED_PRINTABLE: Final = bytes.maketrans(b"%", b"=")
_FROM_QUOTED_PRINTABLE: Final = bytes.maketrans(b"=\xff", b"%=")


def unescape(data: bytes) -> str:
    """What `unquote_to_bytes(data).decode()` gives, broken escapes included, in a few passes of C.

    A megabyte takes a few milliseconds instead of a hundred. Raises `ValueError` for what is not UTF-8, and
    for more than `_MAX_BROKEN` broken escapes.
    `binascii` decodes quoted-printable (RFC 2045 6.7), whose escapes begin with "=". So each "=" is marked
    before, and what begins with one afterwards is a broken escape. A "%" that would be taken for something
    else is escaped: one before another one, before a line's end, and the last.
    """
    if b"%" not in data:
        return data.decode()
    if _MARK in data or any(mark in data for mark in _ESCAPED_MARKS):
        raise ValueError("not UTF-8")
    if data.count(b"%%") > _MAX_BROKEN:
        raise ValueError("too many broken escapes")
    data = data.replace(b"%3D", _MARK).replace(b"%3d", _MARK).replace(b"=", _MARK)
    data = data.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
    data = data.replace(b"%\n", b"%25\n").replace(b"%\r", b"%25\r")
    if data.endswith(b"%"):
        data = data[:-1] + b"%25"
    plain = a2b_qp(data.translate(_TO_QUOTED_PRINTABLE))
    if plain.count(b"=") > _MAX_BROKEN:
        raise ValueError("too many broken escapes")
    return plain.translate(_FROM_QUOTED_PRINTABLE).decode()
