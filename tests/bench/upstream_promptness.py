"""Keeps the simulator to what Twilio does, where the machine has too much to do for it.

A look may call a create absent 15 s after its attempt has ended, because Twilio makes it within 8 s of that
and lists it within 5 more. A simulator that stands still reads a create long after the gateway gave it up,
or makes it later than it was going to; a look has then rightly shown that it is absent. Such a create, whose
caller has left and whose time nobody can vouch for, is not made at all: to the gateway it is one of those
that were lost before Twilio had them.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from gateway.listener.connections import watch_hang_up
from twilio_simulator import Simulator
from twilio_simulator.request_service import SimulatedExchange

_LONGEST_SECONDS: Final = 0.5
"""Four such turns fit between the 13 s and the 15 s: one accepts a connection, another reads from it."""
_BEAT_SECONDS: Final = 0.1
_REMEMBERED_SECONDS: Final = 10.0
"""Longer than any fault delays what it makes."""
_EVERY_SECONDS: Final = 0.5


class UpstreamPromptness:
    """Of the simulator, which runs in this loop. `slowest` is in seconds; `now` is the loop's clock."""

    def __init__(self, simulator: Simulator, now: Callable[[], float] | None = None) -> None:
        parts = urlsplit(simulator.url)
        assert parts.port is not None
        self._address = parts.hostname, parts.port
        self._now = now or asyncio.get_running_loop().time
        self._beat = self._now()
        self._stalled_until = float("-inf")
        self.slowest = 0.0
        self.asked = 0
        self.undone = 0
        simulator.may_act = self.may_act

    def may_act(self, exchange: SimulatedExchange) -> bool:
        """Whether a request is processed in the time that Twilio takes at most after its attempt ended."""
        if not _has_left(exchange) or not self._stalled_lately():
            return True  # its attempt has not ended, or ended a moment ago
        self.undone += 1
        return False

    def _stalled_lately(self) -> bool:
        self._note_beat()
        return self._now() - self._stalled_until < _REMEMBERED_SECONDS

    def _note_beat(self) -> None:
        now = self._now()
        if now - self._beat > _BEAT_SECONDS + _LONGEST_SECONDS:
            self._stalled_until = now
        self._beat = now

    async def beat(self) -> None:
        """Notice when the loop stands still."""
        while True:
            self._note_beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def watch(self) -> None:
        """Ask again and again, over a new connection as a gateway's may be; what is unanswered counts."""
        while True:
            asking = asyncio.create_task(self._ask())
            began = self._now()
            while not (await asyncio.wait({asking}, timeout=_EVERY_SECONDS))[0]:
                self._note(began)
            asking.result()
            self._note(began)
            self.asked += 1
            await asyncio.sleep(_EVERY_SECONDS)

    def _note(self, began: float) -> None:
        self.slowest = max(self.slowest, self._now() - began)

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(b"GET /-/faults HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()

    def describe(self) -> str:
        """For people."""
        return (
            f"the simulator answered {self.asked} new connections, the slowest after {self.slowest:.2f} s; "
            f"{self.undone} creates of callers that had left were not made, because it had stood still"
        )


def _has_left(exchange: SimulatedExchange) -> bool:
    transport = exchange.request.transport
    if transport is None or transport.is_closing():
        return True
    kernel = watch_hang_up(transport)
    return kernel is None or bool(kernel.poll(0))
