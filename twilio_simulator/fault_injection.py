"""Faults that strike around the processing: waits, resets, and errors in place of an answer.

What each leaves behind is the point: before, nothing was created; after, it was. Faults on the way out
(truncation and the like) are in `answer_writer.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from twilio_simulator.faults import Plan
from twilio_simulator.resource_values import Answer, Headers
from twilio_simulator.simulated_errors import TwilioError, authenticate

_PAGES: Final = frozenset({502, 504})  # these come from what stands in front of Twilio, not from its API


class Severed(Exception):
    """A way out of the processing: the connection ends without an answer. `how` is `reset` or `hang`."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


async def strike_before(
    plan: Plan, closed: asyncio.Future[None], sleep: Callable[[float], Awaitable[None]]
) -> Answer | None:
    """Carry out what comes before processing; an answer means that there will be none. Raises Severed."""
    if "delay" in plan:
        await sleep(float(plan["delay"]))
    if "hang" in plan:
        await hang(closed)
    if "reset-before" in plan:
        raise Severed("reset")
    if "401" in plan:
        raise authenticate()
    if "429" in plan:
        raise TwilioError(429, int(plan["429"] or 20429))
    if "429-no-code" in plan:
        return _page(429)
    if "status" in plan:
        return _status(int(plan["status"]))
    return None


async def strike_after(plan: Plan, closed: asyncio.Future[None]) -> Answer | None:
    """Carry out what comes after processing; an answer takes the place of the true one. Raises Severed."""
    if "hang-after" in plan:
        await hang(closed)
    if "reset-after" in plan:
        raise Severed("reset")
    return _status(int(plan["status-after"])) if "status-after" in plan else None


async def hang(closed: asyncio.Future[None]) -> None:
    """Wait until the caller goes away (or the simulator stops and cancels), then raise Severed."""
    await asyncio.shield(closed)
    raise Severed("hang")


def retry_after(plan: Plan) -> Headers:
    """The header that `retry-after` asks for."""
    return (("Retry-After", plan["retry-after"]),) if "retry-after" in plan else ()


def _status(status: int) -> Answer:
    return _page(status) if status in _PAGES else TwilioError(status, 20000 + status).answer()


def _page(status: int) -> Answer:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return Answer(status, raw=("text/html", f"<html><body><h1>{status} {phrase}</h1></body></html>".encode()))
