"""How many requests of an account are being processed, and the limit above which Twilio answers 429/20429.

A slot is held from admission until the answer's head is ready, service time included.
"""

from __future__ import annotations

import asyncio

from twilio_simulator.simulated_errors import too_many_requests


class ConcurrencyGate:
    """One counter per account; the limit is the same for each, or None."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self.max_concurrent = 0
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []

    def in_flight(self, account_sid: str) -> int:
        """Requests of this account now being processed."""
        return self._in_flight.get(account_sid, 0)

    def enter(self, account_sid: str, limit: int | None) -> None:
        """Take a slot, or raise 429/20429 at once."""
        held = self._in_flight.get(account_sid, 0)
        if limit is not None and held >= limit:
            raise too_many_requests()
        self._in_flight[account_sid] = held + 1
        self.max_concurrent = max(self.max_concurrent, held + 1)
        if self._waiting:
            self._tell()

    def leave(self, account_sid: str) -> None:
        """Give the slot back."""
        self._in_flight[account_sid] -= 1
        if self._waiting:
            self._tell()

    async def settled(self, account_sid: str, slots: int) -> None:
        """Wait until exactly that many slots of the account are taken."""
        if self.in_flight(account_sid) == slots:
            return
        waiting = (account_sid, slots, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[2]
        finally:
            self._waiting.remove(waiting)

    def _tell(self) -> None:
        for account_sid, slots, future in self._waiting:
            if self.in_flight(account_sid) == slots and not future.done():
                future.set_result(None)
