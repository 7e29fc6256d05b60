"""How many requests of an account are being processed, and the limit above which Twilio answers 429/20429.

A slot is held from admission until the answer's head is ready, service time included.
"""

from __future__ import annotations

from gateway.simulator.errors import too_many_requests


class Gate:
    """One counter per account; the limit is the same for each, or None."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self.max_concurrent = 0

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

    def leave(self, account_sid: str) -> None:
        """Give the slot back."""
        self._in_flight[account_sid] -= 1
