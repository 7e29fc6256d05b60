"""The request as it goes to Twilio, built once per exchange; attempts only add a key (docs/design.md 3)."""

from typing import Final

from gateway.http.header_fields import VIA_NAME, build_request_fields
from gateway.http.request_head import Inbound
from gateway.identity.authentication import Caller
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body, BodyFormat
from gateway.policy.methods import emit_method
from gateway.policy.watched_head import WatchedHead
from gateway.retry.retry_policy import is_replayable

_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


class OutboundHead:
    """What is sent before the body, but for credential and framing; it follows from the caller's head and
    `content_type`, which is the one of the `Body` that it was built for.

    `fields` are header lines without Host, Authorization and framing. `effective` is the effective method, by
    which `replayable` was decided. `dropped` are names of fields that Twilio does not know. `watched` is set
    if the repeat guard watches the request.
    """

    __slots__ = (
        "account", "consumer", "content_type", "dropped", "effective", "fields", "host", "method", "product",
        "replayable", "target", "watched",
    )  # fmt: skip

    def __init__(
        self,
        grant: Grant,
        method: str,
        target: str,
        fields: bytes,
        dropped: tuple[bytes, ...],
        content_type: bytes | None,
    ) -> None:
        call = grant.call
        self.method = method
        self.effective = call.method
        self.host = grant.host
        self.target = target
        self.fields = fields
        self.dropped = dropped
        self.content_type = content_type
        self.account = grant.account
        self.consumer = grant.consumer
        self.product = call.address.product
        self.replayable = is_replayable(call.method, instance=grant.route.instance)
        self.watched: WatchedHead | None = None


class Outbound:
    """A request as it goes to Twilio. `length` is in bytes: None for a chunked stream, -1 for no framing
    field at all. The rest is as in `OutboundHead`."""

    __slots__ = (
        "account", "body", "consumer", "dropped", "effective", "fields", "host", "length", "method",
        "product", "replayable", "streams", "target",
    )  # fmt: skip

    def __init__(self, head: OutboundHead, body: bytes, length: int | None, streams: bool) -> None:
        self.method = head.method
        self.effective = head.effective
        self.host = head.host
        self.target = head.target
        self.fields = head.fields
        self.body = body
        self.length = length
        self.streams = streams
        self.account = head.account
        self.replayable = head.replayable
        self.consumer = head.consumer
        self.product = head.product
        self.dropped = head.dropped

    def __repr__(self) -> str:  # a body may hold a message
        return f"Outbound({self.effective} {self.host})"


def build_outbound_head(
    inbound: Inbound,
    caller: Caller,
    grant: Grant,
    content_type: bytes | None,
    *,
    allowed: frozenset[bytes] | None,
    trace: bytes = b"",
    via: bytes = VIA_NAME,
) -> OutboundHead:
    """Build it from the decisions, the fields of `allowed` names, and the lines of `trace`.

    Raises `Refusal("emit_unsupported")`.
    """
    call = grant.call
    if call.query != grant.query:
        call = call._replace(query=grant.query)
    method, query = emit_method(call, grant.consumer.emit)
    fields, dropped = build_request_fields(
        inbound,
        caller.secrets,
        allowed=allowed,
        content_type=content_type,
        keeps_idempotency_key=grant.route.idempotency_key,
        asks_identity=wants_identity(grant),
        trace=trace,
        via=via,
    )
    target = f"{grant.path}?{query}" if query else grant.path
    return OutboundHead(grant, method, target, fields, dropped, content_type)


def join_body(head: OutboundHead, inbound: Inbound, body: Body, *, streams: bool) -> Outbound:
    """The request of a head and its body, which is empty if it `streams`."""
    length: int | None = len(body.data)
    if streams:
        length = inbound.content_length
    elif body.shape is BodyFormat.NONE and head.method not in _BODY_METHODS:
        length = -1
    return Outbound(head, body.data, length, streams)


def wants_identity(grant: Grant) -> bool:
    """Whether the answer must come uncompressed, because bytes of it are replaced (docs/design.md 4.8)."""
    return grant.conceals or (grant.call.address.by_path and has_absolute_links(grant))


def has_absolute_links(grant: Grant) -> bool:
    """Whether an answer in JSON may have links with a host: all but the 2010 API's, whose links are relative
    but for the `media_url` of a recording (https://www.twilio.com/docs/voice/api/recording)."""
    return grant.call.address.product != "api" or "/Recordings" in grant.path
