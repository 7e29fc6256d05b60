"""The fingerprint of a body: equal for two requests that ask Twilio for the same. Pure.

A client may write the same form differently when it sends it again: another boundary, `%20` for `+`. So the
fingerprint of a form or multipart body is that of its content: names, values, file names and part types, in
order, each with its length. Media-type parameters do not count. Any other body is compared byte for byte.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from gateway.http.form_data import Unreadable
from gateway.http.media_type import read_parameters
from gateway.policy.bodies import Body, BodyFormat
from gateway.policy.body_fields import read_form

FINGERPRINT_PREFIX: Final = "2:"
"""Begins the fingerprints of this version; those of the previous one are bare hex."""
_MAX_PARTS: Final = 10_000


def fingerprint_body(body: Body, content_type: bytes) -> str:
    """'2:' and hex SHA-256. `content_type` is the one that goes upstream."""
    media_type = content_type.partition(b";")[0].strip().lower()
    try:
        if body.shape is BodyFormat.FORM:
            content: Iterable[bytes] = [text.encode("utf-8") for pair in read_form(body) for text in pair]
        elif body.shape is BodyFormat.MULTIPART:
            content = list(_read_parts(body.data, body.boundary))
        else:
            content = (body.data,)
    except (Unreadable, MultipartError, ValueError):  # an unreadable body is compared byte for byte
        content = (b"unreadable", body.data)
    return f"{FINGERPRINT_PREFIX}{digest_parts(media_type, *content)}"


def fingerprint_bytes(body: Body, content_type: bytes) -> str:
    """The fingerprint of version 1, hex SHA-256: every byte of the body and of its Content-Type."""
    return digest_parts(content_type, body.data)


def digest_parts(*parts: bytes) -> str:
    """SHA-256 over the parts, each with its length, so that no two lists of parts have the same input."""
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


def _describe(part: MultipartSegment) -> bytes:
    """Name, file names and media type; a missing one is not an empty one."""
    disposition = read_parameters(part.header("Content-Disposition", ""))
    if disposition is None:
        raise Unreadable("a part's head can be read in more than one way")
    media_type = part.header("Content-Type", "").partition(";")[0].strip().lower()
    names = sorted(disposition[1].items())
    return digest_parts(media_type.encode(), *(text.encode() for pair in names for text in pair)).encode()


def _read_parts(data: bytes, boundary: str) -> Iterator[bytes]:
    """The description of each part, and its content."""
    content = bytearray()
    with PushMultipartParser(
        boundary, max_segment_count=_MAX_PARTS, strict=True, content_length=len(data)
    ) as parser:
        for event in parser.parse(data):
            if isinstance(event, MultipartSegment):
                content = bytearray()
                yield _describe(event)
            elif event is None:
                yield bytes(content)
            else:
                content += event
