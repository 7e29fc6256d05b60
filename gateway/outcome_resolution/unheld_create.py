"""Sends a request that the guard does not look after, where Twilio may be asked about creates.

A create with a key, or one that is sent on purpose, is never held. But it is entered like those that are:
while it is in flight, or its outcome is open, what a look for another create to the same recipient finds may
be its own. So its outcome is looked for as well, in the background.
"""

import secrets
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Protocol

from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.http.response import Response
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.comparable_fields import SubjectKind, kind_of, listed_kind
from gateway.policy.outbound import Outbound
from gateway.policy.repeat_intent import RepeatIntent, describe_create, find_sought
from gateway.policy.snapshot import Snapshot
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.open_outcomes import OpenOutcomes
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_rules import RepeatEvent
from gateway.twilio.created_sid import read_call_sid, read_created_sid


class Send(Protocol):
    """Makes attempts. `whole`: the answer is read to its end, for its SID may come late."""

    def __call__(self, *, whole: bool) -> Awaitable[Response]: ...


class UnheldRequest(Protocol):
    """What is sent, and by when (the loop's clock)."""

    @property
    def grant(self) -> Grant:
        """What permits it."""
        ...

    @property
    def outbound(self) -> Outbound:
        """As it is sent."""
        ...

    @property
    def body(self) -> Body:
        """Its body, as far as it was read."""
        ...

    @property
    def deadline(self) -> float:
        """When the caller must have an answer."""
        ...


async def send_unheld(
    guard: RepeatGuard,
    outcomes: OpenOutcomes,
    ask: UnheldRequest,
    exchange: Exchange,
    snapshot: Snapshot,
    send: Send,
    *,
    whole: bool,
) -> Response:
    """The answer of `send`, which makes the attempts. Raises what that does."""
    outbound, grant = ask.outbound, ask.grant
    kind = listed_kind(outbound.product, grant.route.template)
    if outbound.effective != "POST" or kind is None:
        return await send(whole=whole)
    intent = _intent_of(ask, kind, snapshot)
    describe = partial(
        describe_create, grant, outbound, None if intent is None else intent.sought, snapshot.seal
    )
    hold = guard.hold(
        intent, ask.deadline, lambda: exchange.in_doubt, on_event=_count_nothing, describe=describe
    )
    async with AsyncExitStack() as stack:
        if intent is not None:
            stack.callback(guard.forget, intent)  # no repeat comes, and others need the room
        with suppress(Refusal):  # no room, or the store is away: it is sent all the same
            await stack.enter_async_context(hold)
        exchange.caller_seconds += hold.waited_seconds
        answer = await send(whole=True)
        is_listed = kind_of(outbound.product, grant.route.template) is not None
        read = read_created_sid if is_listed else read_call_sid
        sid = read(answer.body) if answer.status < 300 else ""
        hold.answered(answer, sid)
        hold.delivered()
    if sid and hold.outcome is None:  # it was not entered
        with suppress(StoreUnavailable):
            await outcomes.own(outbound.account.sid, sid)
    return answer


def _intent_of(ask: UnheldRequest, kind: SubjectKind, snapshot: Snapshot) -> RepeatIntent | None:
    """An intent that no other request has. None where creates are not guarded, or it cannot be looked for."""
    route = ask.grant.route
    seconds = snapshot.repeat_routes.get((route.product, route.template), 0.0)
    sought = find_sought(kind, ask.outbound, ask.body) if seconds > 0 else None
    if sought is None:
        return None
    scope, secret = secrets.token_hex(32), secrets.token_bytes(32)
    return RepeatIntent(scope, seconds, True, sought, secret, ask.grant.consumer.identities)


def _count_nothing(event: RepeatEvent) -> None:
    """It is no repeat, and nothing is held."""
