"""Reads the body of a request that was granted, or prepares to stream it (docs/design.md 4.5).

Whether its content is allowed is `policy/steps.py`'s to say; how bytes arrive, `request_body.py`'s.
"""

from collections.abc import Callable

from gateway.exchange import Exchange
from gateway.http.request_head import Inbound
from gateway.listener.request import Request
from gateway.listener.request_body import STREAM_BYTES, BodyStream, drop_body, expects_continue, read_body
from gateway.policy.authorization import Grant
from gateway.policy.bodies import NO_BODY, Body, BodyPlan
from gateway.policy.snapshot import Snapshot
from gateway.policy.steps import check_body, check_stream


async def read_granted_body(
    request: Request, exchange: Exchange, snapshot: Snapshot, inbound: Inbound, grant: Grant, plan: BodyPlan,
    clock: Callable[[], float],
) -> tuple[Body, BodyStream | None]:  # fmt: skip
    """The body, read and checked; or `NO_BODY` and the stream that is to be sent on unread.

    `clock` gives seconds. The time that the caller takes is added to `exchange.caller_seconds`. Raises
    `Refusal` for a body that is too large, too slow, cut short or not allowed.
    """
    if plan.stream:
        check_stream(grant, exchange)
        request.hold(STREAM_BYTES)
    if expects_continue(inbound):
        request.send_continue()
    if plan.stream:
        return NO_BODY, BodyStream(request.body, plan, snapshot.body_seconds)
    began = clock()
    times = snapshot.body_seconds, snapshot.body_total_seconds
    try:
        if inbound.drops_body:
            await drop_body(request.body, inbound.method, *times)
        data = await read_body(request.body, plan, *times, request.hold)
    finally:  # time lost to a caller that was slow, or left, is not the gateway's own
        exchange.caller_seconds += clock() - began
    return check_body(grant, plan, data, exchange), None
