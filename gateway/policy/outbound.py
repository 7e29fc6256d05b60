"""The request as it goes to Twilio, built once per exchange; attempts only add a key (docs/design.md 3)."""

from typing import NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import Account
from gateway.http.header_fields import build_request_fields
from gateway.http.request_head import Inbound
from gateway.identity.authentication import Caller
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body, BodyFormat
from gateway.policy.methods import emit_method
from gateway.retry.retry_policy import is_replayable

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class Outbound(NamedTuple):
    """`fields` are header lines without Host, Authorization and framing.

    `effective` is the effective method, by which `replayable` was decided. `length` is in bytes: None for a
    chunked stream, -1 for no framing field at all. `dropped` are names of fields that Twilio does not know.
    """

    method: str
    effective: str
    host: str
    target: str
    fields: bytes
    body: bytes
    length: int | None
    streams: bool
    account: Account
    replayable: bool
    consumer: Consumer
    product: str
    dropped: tuple[bytes, ...] = ()

    def __repr__(self) -> str:  # a body may hold a message
        return f"Outbound({self.effective} {self.host})"


def build_outbound(
    inbound: Inbound,
    caller: Caller,
    grant: Grant,
    body: Body,
    *,
    allowed: frozenset[bytes] | None,
    streams: bool = False,
    trace: bytes = b"",
) -> Outbound:
    """Build the request from the decisions, the fields of `allowed` names, and the lines of `trace`.

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
        content_type=body.content_type,
        keeps_idempotency_key=grant.route.idempotency_key,
        asks_identity=wants_identity(grant),
        trace=trace,
    )
    if streams:
        length = inbound.content_length
    elif body.shape is BodyFormat.NONE and method not in _BODY_METHODS:
        length = -1
    else:
        length = len(body.data)
    target = f"{grant.path}?{query}" if query else grant.path
    replayable = is_replayable(call.method, instance=grant.route.instance)
    return Outbound(
        method=method,
        effective=call.method,
        host=grant.host,
        target=target,
        fields=fields,
        body=body.data,
        length=length,
        streams=streams,
        account=grant.account,
        replayable=replayable,
        consumer=grant.consumer,
        product=call.address.product,
        dropped=dropped,
    )


def wants_identity(grant: Grant) -> bool:
    """Whether the answer must come uncompressed, because bytes of it are replaced (docs/design.md 4.8)."""
    if grant.conceals:
        return True
    # The 2010 API's links are relative; only product APIs answer with absolute ones.
    return bool(grant.call.address.prefix) and grant.call.address.product != "api"
