"""Clients, their calls, and how attempts end, for the state machines of the repeat guard."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.repeat_guard.open_outcomes import OpenOutcome
from tests.support.repeat_guard import created

SCOPES = ["a" * 64, "b" * 64]


def _answer(status: int) -> Callable[[], Any]:
    return lambda: created() if status == 201 else Response(status, "", (), b"{}", None)


def _failure(phase: FailurePhase) -> Callable[[], Any]:
    return lambda: UpstreamFailure("upstream_lost", phase, "")


MADE: dict[str, Callable[[], Any]] = {
    "201": _answer(201),
    "500 after it was done": _answer(500),
    "lost after it was done": _failure(FailurePhase.SENT),
    "drained after it was done": asyncio.CancelledError,
}
NOT_MADE: dict[str, Callable[[], Any]] = {
    "400": _answer(400),
    "500": _answer(500),
    "lost": _failure(FailurePhase.SENT),
    "unreachable": _failure(FailurePhase.CONNECT),
    "refused": lambda: Refusal("queue_timeout", ""),
}


class RepeatingClient:
    """A client with one intention, and its present call."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.done = False
        self.call: ClientCall | None = None


class ClientCall:
    """One request. `end` is there while an attempt of it is on its way, `reading` while its answer is.

    `is_dead`: its replica was killed. `outcome` is what is entered of it, where Twilio can be asked.
    """

    def __init__(self, caller: RepeatingClient, replica: int) -> None:
        self.caller = caller
        self.replica = replica
        self.connected = True
        self.in_doubt = True
        self.is_dead = False
        self.outcome: OpenOutcome | None = None
        self.end: asyncio.Future[str] | None = None
        self.reading: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.task is not None and not self.task.done()
