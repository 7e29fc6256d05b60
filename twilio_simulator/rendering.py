"""An answer's bytes: JSON, or XML in Twilio's shape, gzip where it is wanted, and the ETag.

Nothing here depends on the resource; names in XML are the JSON names in camel case.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import orjson

from twilio_simulator.received_request import Received
from twilio_simulator.resource_values import Answer, Fields, Pattern

_MIN_GZIP_BYTES: Final = 200
_XML_HEAD: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"


@dataclass(slots=True)
class RenderedAnswer:
    """What goes on the wire, but for the headers every answer has."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)
    stream: Pattern | None = None


def render(answer: Answer, received: Received) -> RenderedAnswer:
    """The bytes of an answer for the caller that asked: format, encoding, and 304 if its ETag still holds."""
    headers = list(answer.headers)
    if answer.stream is not None:
        headers.append(("Content-Type", "image/jpeg"))
        return RenderedAnswer(answer.status, headers, b"", answer.stream)
    if answer.raw is not None:
        headers.append(("Content-Type", answer.raw[0]))
        return RenderedAnswer(answer.status, headers, answer.raw[1])
    if answer.fields is None:
        return RenderedAnswer(answer.status, headers, b"")
    if received.wants_xml:
        headers.append(("Content-Type", "application/xml"))
        body = render_xml(answer)
    else:
        charset = "" if received.product == "api" else ";charset=utf-8"
        headers.append(("Content-Type", "application/json" + charset))
        body = _encode(orjson.dumps(answer.fields), received, headers)
    if answer.status == 200 and received.method in ("GET", "HEAD"):
        return _conditional(received, headers, body)
    return RenderedAnswer(answer.status, headers, body)


def render_xml(answer: Answer) -> bytes:
    """`<TwilioResponse><Message>…` for a record, `<Messages page="0" …><Message>…` for a list."""
    fields = answer.fields or {}
    if answer.items is None:
        inner = _element(answer.element, _without_suffix(fields))
    else:
        attributes = "".join(
            f" {name.replace('_', '')}={quoteattr('' if value is None else str(value))}"
            for name, value in fields.items()
            if name != answer.items
        )
        records = fields[answer.items]
        assert isinstance(records, list)  # a list answer holds a list
        rows = "".join(_element(answer.element, _without_suffix(record)) for record in records)
        inner = f"<{answer.plural}{attributes}>{rows}</{answer.plural}>"
    return f"{_XML_HEAD}<TwilioResponse>{inner}</TwilioResponse>".encode()


def _encode(body: bytes, received: Received, headers: list[tuple[str, str]]) -> bytes:
    if len(body) <= _MIN_GZIP_BYTES:
        return body
    headers.append(("Vary", "Accept-Encoding"))
    if "gzip" not in received.headers.get("Accept-Encoding", ""):
        return body
    headers.append(("Content-Encoding", "gzip"))
    return gzip.compress(body, compresslevel=1, mtime=0)


def _conditional(received: Received, headers: list[tuple[str, str]], body: bytes) -> RenderedAnswer:
    etag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    headers.append(("ETag", etag))
    asked = received.headers.get("If-None-Match", "")
    held = {part.strip().removeprefix("W/") for part in asked.split(",")}
    if etag in held or "*" in held:
        kept = [pair for pair in headers if pair[0] not in ("Content-Type", "Content-Encoding")]
        return RenderedAnswer(304, kept, b"")
    return RenderedAnswer(200, headers, body)


def _without_suffix(fields: Fields) -> Fields:
    """Records are kept with JSON's URIs; XML's have no suffix."""
    uri = fields.get("uri")
    return fields | {"uri": uri.removesuffix(".json")} if isinstance(uri, str) else fields


def _element(name: str, value: object) -> str:
    if value is None:
        return f"<{name}/>"
    if isinstance(value, dict):
        inner = "".join(_element(_camel(key), item) for key, item in value.items())
    elif isinstance(value, bool):
        inner = str(value).lower()
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
