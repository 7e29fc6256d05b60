"""Every decision about a request, in order, without I/O (docs/design.md 3).

`handler.py` calls these steps between reading and sending, `explanation.py` without doing either, so what
`gateway explain` prints is what happens. Each step records what it knows in the exchange, so that the log
line of a refusal has it as well.
"""

from typing import Final, NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.http.request_head import Inbound
from gateway.identity.authentication import Caller
from gateway.policy.addressing import resolve_address
from gateway.policy.authorization import (
    Grant,
    authorize,
    authorize_form,
    authorize_stream,
    match_route,
    name_rule,
)
from gateway.policy.bodies import Body, BodyPlan, finish_body, require_body_kind
from gateway.policy.deadlines import Client, TimeLimit, read_deadline
from gateway.policy.head_decision import HeadDecision
from gateway.policy.idempotency_key import Claim, require_claim
from gateway.policy.methods import translate_method
from gateway.policy.named_sids import find_addressed_sid
from gateway.policy.outbound import Outbound, build_outbound_head, join_body
from gateway.policy.repeat_intent import WatchedCreate, watch_create
from gateway.policy.snapshot import Snapshot
from gateway.policy.watched_head import watch_head
from gateway.policy.zero_sid import replace_zero_sid


class Prepared(NamedTuple):
    """What is to be sent, what is remembered of it, and the time that it may take."""

    outbound: Outbound
    claim: Claim | None
    watched: WatchedCreate | None
    limit: TimeLimit


_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs


def decide_head(
    snapshot: Snapshot, consumer: Consumer, inbound: Inbound, exchange: Exchange
) -> tuple[Grant, BodyPlan]:
    """Every decision that follows from the request head and the authenticated consumer. Raises `Refusal`."""
    exchange.consumer = consumer.name
    address = resolve_address(snapshot.hosts, inbound)
    call = translate_method(inbound, address, consumer)
    route = match_route(snapshot.catalogue, call)
    exchange.method, exchange.product, exchange.label = call.method, address.product, route.label
    try:
        grant = authorize(consumer, route, call)
    except Refusal:
        exchange.resource_sid = find_addressed_sid(call.path)
        raise
    exchange.resource_sid, exchange.rule = grant.resource_sid, name_rule(grant)
    exchange.account, exchange.reported = grant.account.sid, grant.reported
    exchange.credential = consumer.credential.name
    return grant, require_body_kind(route, consumer, inbound, snapshot.limits)


def check_stream(grant: Grant, exchange: Exchange) -> None:
    """Check a request whose body is streamed on unread. Raises `Refusal`."""
    exchange.reported = exchange.reported or authorize_stream(grant)


def check_body(grant: Grant, plan: BodyPlan, data: bytes, exchange: Exchange) -> Body:
    """Check a body that was read. Raises `Refusal`."""
    body = replace_zero_sid(finish_body(plan, data), grant.route, grant.consumer.credential.account.sid)
    exchange.reported = exchange.reported or authorize_form(grant, body)
    return body


def prepare(
    snapshot: Snapshot,
    caller: Caller,
    inbound: Inbound,
    grant: Grant,
    body: Body,
    *,
    streams: bool,
    client: Client | None = None,
    trace: bytes = b"",
    decision: HeadDecision | None = None,
) -> Prepared:
    """Build the request as it goes to Twilio. Raises `Refusal`.

    `decision`: of the same head but for individual values, if it is kept; the head to send is kept in it.
    """
    content_type = body.content_type
    head = decision.outbound if decision is not None else None
    if head is None or head.content_type != content_type or trace:
        allowed = snapshot.request_fields.allowed_for(grant.call.address.product)
        via = snapshot.identities.via
        head = build_outbound_head(
            inbound, caller, grant, content_type, allowed=allowed, trace=trace, via=via
        )
        head.watched = watch_head(snapshot.repeat_routes, inbound, grant, head.target)
        if decision is not None and not trace:
            decision.keep(head, allowed)
    outbound = join_body(head, inbound, body, streams=streams)
    claim = require_claim(inbound, grant, outbound, body)
    watched = None
    if head.watched is not None and not streams:
        watched = watch_create(head.watched, inbound, grant, outbound, body)
    deadlines = snapshot.deadlines
    limit = read_deadline(inbound, (client or deadlines.usual).limit, deadlines.max_seconds)
    return _new(Prepared, (outbound, claim, watched, limit))
