"""A request as the simulator saw it: target, product, effective method, form.

Refuses only what cannot be read; routes and permissions come later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import web
from multidict import MultiDict

from twilio_simulator.resource_values import Fields, Form, ResourceBodyKind
from twilio_simulator.simulated_errors import TwilioError

API_VERSION: Final = "2010-04-01"
FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_SUFFIXES: Final = (".json", ".xml")


@dataclass(slots=True)
class Upload:
    """What a streamed body came to."""

    size_bytes: int
    sha256: str


@dataclass(slots=True)
class Received:
    """One request. `segments` are decoded and without suffix; `method` is effective (`_method` applied)."""

    wire_method: str
    method: str
    target: str
    host: str
    product: str
    path: str
    segments: tuple[str, ...]
    suffix: str
    query: Form
    headers: Mapping[str, str]
    raw_headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    upload: Upload | None = None

    @property
    def base_path(self) -> str:
        """The path without its suffix."""
        return self.path.removesuffix(self.suffix)

    @property
    def wants_xml(self) -> bool:
        """The 2010 API answers XML unless `.json` is asked for."""
        return self.product == "api" and self.suffix != ".json"

    @property
    def content_type(self) -> str:
        """The media type, lower-cased and without parameters; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def read_head(request: web.BaseRequest) -> Received:
    """Read everything but the body."""
    target, host = request.raw_path, request.headers.get("Host", "")
    path, _, query_text = target.partition("?")
    if path.startswith(("http://", "https://")):
        host, slash, rest = path.partition("://")[2].partition("/")
        path = slash + rest
    query = MultiDict(parse_qsl(query_text, keep_blank_values=True))
    product = find_product(host, path)
    suffix = next((s for s in _SUFFIXES if path.endswith(s)), "") if product == "api" else ""
    bare = path.removesuffix(suffix).removeprefix("/")
    segments = tuple(bare.split("/"))
    if "%" in bare:
        segments = tuple(unquote(segment) for segment in segments)
    return Received(
        wire_method=request.method,
        method=effective_method(request.method, product, query),
        target=target,
        host=host.partition(":")[0].lower(),
        product=product,
        path=path,
        segments=segments,
        suffix=suffix,
        query=query,
        headers=request.headers,
        raw_headers=request.raw_headers,
    )


def account_in_path(received: Received) -> str | None:
    """The account that the path of a 2010 request names."""
    segments = received.segments
    if received.product == "api" and len(segments) > 2 and segments[1] == "Accounts":
        return segments[2]
    return None


def find_product(host: str, path: str) -> str:
    """The product by the Host's first label, or, if it is not a Twilio host, by the path."""
    name = host.partition(":")[0].lower()
    if name.endswith(".twilio.com"):
        return name.partition(".")[0]
    if path.startswith(f"/{API_VERSION}"):
        return "api"
    if path.startswith("/v1/Content"):
        return "content"
    if path.startswith("/v1/Services/") and path.endswith("/Media"):
        return "mcs"
    return "verify" if path.startswith("/v2/") else "messaging"


def effective_method(method: str, product: str, query: Form) -> str:
    """Apply Twilio's `POST ?_method=PUT|DELETE`: on the 2010 API only, given exactly once.

    Elsewhere it is ignored, so that such a request *updates*: the danger the gateway has to know of.
    """
    if method == "POST" and product == "api" and "_method" in query:
        values = query.getall("_method")
        if len(values) == 1 and values[0].upper() in ("PUT", "DELETE"):
            return values[0].upper()
    return method


def require_body_kind(received: Received, kind: ResourceBodyKind) -> None:
    """Refuse a body of the wrong type: 400 on form routes, 415 on JSON routes."""
    if not received.body:
        return
    content_type = received.content_type
    if kind is ResourceBodyKind.FORM and content_type and content_type not in FORM_TYPES:
        message = f"Content-Type {content_type} is not supported; send {FORM_TYPES[0]}"
        raise TwilioError(400, 20001, message)
    if kind is ResourceBodyKind.JSON and content_type != "application/json":
        raise TwilioError(415, 20415, "Content-Type must be application/json")


def parse_form(received: Received) -> Form:
    """The fields of a form or multipart body, repeats kept; without a type there are none, as with Twilio."""
    if received.content_type == FORM_TYPES[0]:
        return MultiDict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
    if received.content_type != FORM_TYPES[1]:
        return MultiDict()
    head = b"Content-Type: " + received.headers["Content-Type"].encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + received.body)
    form: Form = MultiDict()
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            form.add(name, payload.decode("utf-8", "replace"))
    return form


def parse_json(received: Received) -> Fields:
    """The body as a JSON object, or 400."""
    try:
        value = orjson.loads(received.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise TwilioError(400, 20001, "The body is not valid JSON") from error
    if not isinstance(value, dict):
        raise TwilioError(400, 20001, "The body must be a JSON object")
    return value
