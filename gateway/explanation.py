"""Dry run: applies the handler's own decision steps to a request, and sends nothing.

Begins after the parser has read a head and the caller is authenticated. Contains no secret: keys appear by
their masked SIDs, where their value would be.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import ApiKey
from gateway.consumers.rate_limit_rules import Limit
from gateway.errors import KINDS, FailurePhase, GatewayError
from gateway.exchange import Exchange
from gateway.http.request_head import DroppedField, require_head
from gateway.identity.authentication import Caller
from gateway.policy.authorization import Grant
from gateway.policy.bodies import NO_BODY
from gateway.policy.snapshot import Snapshot
from gateway.policy.steps import Prepared, check_body, check_stream, decide_head, prepare
from gateway.rate_limits.rate_limiter import find_limits
from gateway.retry.retry_policy import AUTHENTICATE, NextStep, Outcome, Situation, decide_attempt
from gateway.upstream.request_bytes import build_head

_OUTCOMES = (
    ("no connection, nothing sent", Outcome(failed_in=FailurePhase.CONNECT)),
    ("429, code 20429", Outcome(429, 20429)),
    ("429, another code", Outcome(429, 60203)),
    ("401, code 20003", Outcome(401, AUTHENTICATE)),
    ("503", Outcome(503)),
    ("502 or 504", Outcome(502)),
    ("500", Outcome(500)),
    ("lost after it was sent", Outcome(failed_in=FailurePhase.SENT)),
)
_WORDS = {
    NextStep.HAND_BACK: "goes back to the caller",
    NextStep.NEXT_KEY: "sent again with the next key",
    NextStep.REQUEUE: "waits for a slot, and is sent again",
    NextStep.RETRY: "sent again after a backoff",
}
_UNKNOWN = "goes back to the caller, Gateway-Outcome: unknown"


class RequestDraft(NamedTuple):
    """A request as a parser delivers it: raw target, fields in order, and the whole body."""

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


class Outgoing(NamedTuple):
    """What Twilio would get: the lines of the head without the empty one, and the body ('' if streamed)."""

    host: str
    head: tuple[str, ...]
    body: bytes
    streams: bool


class AfterOutcome(NamedTuple):
    """What an outcome of an attempt leads to, in words; `again` if to another attempt."""

    outcome: str
    words: str
    again: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """`slug` is '' if it would be sent, `outgoing` None if it would not.

    `reported` is what `mode: report` lets through, `dropped` the header fields that
    are not sent on, `ignored` those that are not even read. Other
    texts are '' where the request is refused before they are known.
    """

    consumer: str
    method: str
    product: str
    route: str
    account: str
    credential: str
    slug: str
    status: int
    detail: str
    reported: str
    ignored: tuple[DroppedField, ...]
    rule: str
    keyed: bool
    keys: tuple[str, ...]
    limits: tuple[Limit, ...]
    deadline_seconds: float
    dropped: tuple[str, ...]
    outgoing: Outgoing | None
    outcomes: tuple[AfterOutcome, ...]


def explain(snapshot: Snapshot, consumer: Consumer, ask: RequestDraft) -> Explanation:
    """Judge a request of a consumer whose key is good."""
    record = Exchange(0.0)
    refusal: GatewayError | None = None
    grant: Grant | None = None
    prepared: Prepared | None = None
    limits: tuple[Limit, ...] = ()
    ignored: tuple[DroppedField, ...] = ()
    try:
        inbound = require_head(ask.method, ask.target, (1, 1), ask.fields)
        client = snapshot.deadlines.recognize(inbound)
        ignored = inbound.dropped
        grant, plan = decide_head(snapshot, consumer, inbound, record)
        body = NO_BODY
        if plan.stream:
            check_stream(grant, record)
        else:
            body = check_body(grant, plan, b"" if inbound.drops_body else ask.body, record)
        caller = Caller(consumer, ())
        prepared = prepare(snapshot, caller, inbound, grant, body, streams=plan.stream, client=client)
        limits = tuple(key.limit for key in find_limits(consumer.limits, grant, body))
    except GatewayError as error:
        refusal = error
    return Explanation(
        consumer=consumer.name,
        method=record.method,
        product=record.product,
        route=record.label,
        account=record.account,
        credential=record.credential,
        slug=refusal.slug if refusal else "",
        status=KINDS[refusal.slug].status if refusal else 0,
        detail=refusal.detail if refusal else "",
        reported=record.reported,
        ignored=ignored,
        rule=grant.rule.text if grant is not None and grant.rule is not None else "",
        keyed=prepared is not None and prepared.claim is not None,
        keys=tuple(key.label for key in prepared.outbound.account.keys) if prepared else (),
        limits=limits,
        deadline_seconds=prepared.limit.seconds if prepared else 0.0,
        dropped=tuple(name.decode() for name in prepared.outbound.dropped) if prepared else (),
        outgoing=_outgoing(prepared) if prepared else None,
        outcomes=_outcomes(prepared) if prepared else (),
    )


def _outgoing(prepared: Prepared) -> Outgoing:
    outbound = prepared.outbound
    label = outbound.account.keys[0].label
    shown = ApiKey(label, f"Basic <{label}>".encode())
    lines = build_head(outbound, shown).decode("utf-8").split("\r\n")
    return Outgoing(outbound.host, tuple(lines[:-2]), outbound.body, outbound.streams)


def _outcomes(prepared: Prepared) -> tuple[AfterOutcome, ...]:
    outbound = prepared.outbound
    situation = Situation(
        replayable=outbound.replayable,
        resendable=not outbound.streams,
        product=outbound.product,
        keys_left=len(outbound.account.keys) - 1,
    )
    found = []
    for text, outcome in _OUTCOMES:
        decision = decide_attempt(outcome, situation)
        unknown = outcome.failed_in is FailurePhase.SENT and not outbound.replayable
        words = _UNKNOWN if unknown and decision is NextStep.HAND_BACK else _WORDS[decision]
        found.append(AfterOutcome(text, words, decision is not NextStep.HAND_BACK))
    return tuple(found)
