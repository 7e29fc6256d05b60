"""Which bodies a route takes, and how others are converted (docs/design.md 4.5).

Two steps around the reading: `require_body_kind` decides by the head how to read, `finish_body` by the bytes.
Content-Type matters only when there is a body. Forms are never decoded and encoded again, except for a
consumer with `convert: true`.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.form_data import Fields
from gateway.http.media_type import read_bare_charset, read_parameters
from gateway.http.request_head import Inbound
from gateway.policy.body_conversion import (
    MAX_CONVERTED_BYTES,
    UTF8,
    canonical_charset,
    form_from_json,
    is_ascii_form,
    transcode_form,
)
from gateway.twilio.catalogue import BodyKind, Route

FORM_TYPE: Final = b"application/x-www-form-urlencoded"
# What form encoders leave unescaped, generously; without '"' and braces, which tell JSON.
_FORM_SHAPE: Final = re.compile(rb"[!#-z|~]+")
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046 5.1.1
_JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json")


class BodyFormat(Enum):
    """The format of a body that may be sent."""

    NONE = "none"
    FORM = "form"
    MULTIPART = "multipart"
    JSON = "json"
    RAW = "raw"
    UNTYPED = "untyped"  # no Content-Type: recognised by its bytes
    FOREIGN = "foreign"  # refused, unless it turns out empty


class BodyPlan(NamedTuple):
    """How to read a body: its format, the most bytes, and whether it is streamed on unread.

    `accepted` are the types that the route takes, for a refusal; `content_type` replaces a misspelt one.
    """

    shape: BodyFormat
    limit: int
    stream: bool = False
    charset: str = ""
    boundary: str = ""
    convert: bool = False
    refusal: Refusal | None = None
    accepted: tuple[str, ...] = ()
    content_type: bytes | None = None


_NO_BODY_PLAN: Final = BodyPlan(BodyFormat.NONE, 0)


class Body:
    """A buffered body as it goes upstream. `content_type` replaces the received one unless None.

    `fields` are those of a form, once `read_body_fields` has read them: each check asks for them there.
    """

    __slots__ = ("boundary", "content_type", "data", "fields", "shape")

    def __init__(
        self, data: bytes, shape: BodyFormat, boundary: str = "", content_type: bytes | None = None
    ) -> None:
        self.data = data
        self.shape = shape
        self.boundary = boundary
        self.content_type = content_type
        self.fields: Fields | None = None

    def __repr__(self) -> str:  # a body may hold a message
        return f"Body({self.shape}, {len(self.data)} bytes)"


# An enumeration's member costs a third of a microsecond each time it is asked for by name.
_FORM: Final = BodyFormat.FORM
_JSON: Final = BodyFormat.JSON
_UNTYPED: Final = BodyFormat.UNTYPED
_ANY_KIND: Final = BodyKind.ANY
_JSON_KIND: Final = BodyKind.JSON

NO_BODY: Final = Body(b"", BodyFormat.NONE)


class BodyLimits(NamedTuple):
    """In bytes: the most for a buffered and for a streamed body."""

    buffered: int
    streamed: int


def require_body_kind(route: Route, consumer: Consumer, inbound: Inbound, limits: BodyLimits) -> BodyPlan:
    """Decide by the head alone. Raises `Refusal` (413, 415) at once where a body is declared."""
    if not inbound.has_body:
        return _NO_BODY_PLAN
    streamed = route.body_kind is _ANY_KIND
    limit = limits.streamed if streamed else limits.buffered
    if inbound.content_length is not None and inbound.content_length > limit:
        raise too_large(limit)
    if streamed:
        return BodyPlan(BodyFormat.RAW, limit, stream=True)
    single_fields = inbound.single_fields
    if (
        single_fields.get(b"content-type") == FORM_TYPE  # to the byte, as nearly every caller writes it
        and route.body_kind is not _JSON_KIND
        and b"content-encoding" not in single_fields
    ):
        return BodyPlan(_FORM, limit)
    plan = _plan_buffered(route.body_kind, consumer, inbound, limit)
    if plan.refusal is not None and inbound.content_length:
        raise plan.refusal
    if inbound.content_length is not None and inbound.content_length > plan.limit:
        raise too_large(plan.limit)
    return plan


def finish_body(plan: BodyPlan, data: bytes) -> Body:
    """Turn what was read into what is sent. Raises `Refusal` (400, 415)."""
    if not data:
        return NO_BODY
    if plan.refusal is not None:
        raise plan.refusal
    shape = plan.shape
    if shape is _UNTYPED:
        if b"=" not in data or _FORM_SHAPE.fullmatch(data) is None:
            raise _refuse_type("The body has no Content-Type and is not a form", (FORM_TYPE.decode(),))
        return Body(data, BodyFormat.FORM, content_type=FORM_TYPE)
    if plan.charset not in UTF8:
        if shape is _JSON and not data.isascii():
            raise _refuse_type("JSON is in UTF-8", plan.accepted)
        if shape is _FORM and not is_ascii_form(data, plan.charset):
            if not plan.convert:
                raise _refuse_type("The form is in another charset than UTF-8", plan.accepted)
            return Body(transcode_form(data, plan.charset), BodyFormat.FORM, content_type=FORM_TYPE)
    if plan.convert and shape is _JSON:
        return Body(form_from_json(data), BodyFormat.FORM, content_type=FORM_TYPE)
    return Body(data, shape, plan.boundary, plan.content_type)


def too_large(limit: int) -> Refusal:
    """413 with the limit in bytes."""
    return Refusal("body_too_large", f"The body may have at most {limit} bytes here.", closes=True)


def _plan_buffered(kind: BodyKind, consumer: Consumer, inbound: Inbound, limit: int) -> BodyPlan:
    try:
        return _plan_by_type(kind, consumer, inbound, limit)
    except Refusal as refusal:  # kept: the body may turn out empty
        return BodyPlan(BodyFormat.FOREIGN, limit, refusal=refusal.with_traceback(None))


def _plan_by_type(kind: BodyKind, consumer: Consumer, inbound: Inbound, limit: int) -> BodyPlan:
    """Raises `Refusal` (content_type)."""
    accepts_form = kind is not BodyKind.JSON
    accepts_json = kind is not BodyKind.FORM
    accepted = ((FORM_TYPE.decode(), "multipart/form-data") if accepts_form else ()) + (
        ("application/json",) if accepts_json else ()
    )
    given = _read_content_type(inbound, accepted, converts=consumer.convert)
    if given is None:
        if not accepts_form:
            raise _refuse_type("The body has no Content-Type", accepted)
        return BodyPlan(BodyFormat.UNTYPED, limit)
    media_type, charset, boundary, is_mended = given
    if media_type == FORM_TYPE.decode() and accepts_form:
        if charset is None:
            raise _refuse_type("The form is in another charset than UTF-8", accepted)
        return BodyPlan(
            BodyFormat.FORM,
            limit,
            charset=charset,
            convert=consumer.convert,
            accepted=accepted,
            content_type=FORM_TYPE if is_mended else None,
        )
    if media_type == "multipart/form-data" and accepts_form:
        if charset is None or _BOUNDARY.fullmatch(boundary) is None:
            raise _refuse_type(
                "multipart/form-data needs a boundary of 1 to 70 characters, and UTF-8", accepted
            )
        return BodyPlan(BodyFormat.MULTIPART, limit, boundary=boundary)
    if _JSON_TYPE.fullmatch(media_type) and charset is not None:
        content_type = media_type.encode() if is_mended else None
        if accepts_json:
            return BodyPlan(
                BodyFormat.JSON, limit, charset=charset, accepted=accepted, content_type=content_type
            )
        if consumer.convert:
            bound = min(limit, MAX_CONVERTED_BYTES)
            return BodyPlan(BodyFormat.JSON, bound, charset=charset, convert=True, accepted=accepted)
    raise _refuse_type("This route does not take that Content-Type", accepted)


class _ContentType(NamedTuple):
    """`charset` is None if it is not supported; `is_mended` if `convert` was needed to read the type."""

    media_type: str
    charset: str | None
    boundary: str
    is_mended: bool


def _read_content_type(inbound: Inbound, accepted: tuple[str, ...], *, converts: bool) -> _ContentType | None:
    """None without a Content-Type. Raises `Refusal` if it cannot be read, or the body is encoded."""
    encoding = inbound.single(b"content-encoding").strip().lower()
    misplaced = converts and bool(encoding) and canonical_charset(encoding) is not None
    if encoding not in ("", "identity") and not misplaced:
        raise _refuse_type("Twilio does not accept this Content-Encoding", accepted)
    received = inbound.single(b"content-type")
    if not received.strip():
        return None
    parameters = read_parameters(received)
    bare = read_bare_charset(received) if parameters is None and converts else None
    if bare is not None:
        parameters = bare[0], {"charset": bare[1]}
    if parameters is None:
        raise _refuse_type("The Content-Type can be read in more than one way", accepted)
    media_type, options = parameters
    charset = canonical_charset(options.get("charset", encoding if misplaced else ""))
    return _ContentType(media_type, charset, options.get("boundary", ""), misplaced or bare is not None)


def _refuse_type(why: str, accepted: tuple[str, ...]) -> Refusal:
    return Refusal(
        "content_type",
        f"{why}. Send {' or '.join(accepted)}.",
        headers=(("Accept-Post", ", ".join(accepted)),),
    )
