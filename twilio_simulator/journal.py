"""What the simulator saw, request by request, and the totals over all of them.

The last requests are kept in a bounded deque. Secrets are masked when an entry is read, by whatever way.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from twilio_simulator.received_request import Received
from twilio_simulator.resource_values import Fields

_KEPT_BODY_BYTES: Final = 4096
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization"})


@dataclass(slots=True)
class Entry:
    """One request. `status` is that of the head sent, or None if there was none; then `outcome` says why."""

    method: str
    target: str
    host: str
    raw_headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    raw_body: bytes = field(repr=False)
    effective_method: str = ""
    status: int | None = None
    outcome: str = "open"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names and values as received, in order; credentials masked but for the username."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]
        return [
            (name, mask_credentials(value) if name.lower() in _SECRET_HEADERS else value)
            for name, value in pairs
        ]

    @property
    def body(self) -> str:
        """The first 4 KiB of the body as text; empty for streamed uploads."""
        return self.raw_body.decode("utf-8", "replace")

    def describe(self) -> Fields:
        """The entry as `/-/journal` shows it."""
        return {
            "method": self.method,
            "effective_method": self.effective_method,
            "target": self.target,
            "host": self.host,
            "headers": self.headers,
            "body": self.body,
            "status": self.status,
            "outcome": self.outcome,
        }


class Journal:
    """The latest entries, and totals since the last `clear`."""

    def __init__(self, size: int) -> None:
        self.entries: deque[Entry] = deque(maxlen=size)
        self.requests = 0
        self.by_status: Counter[str] = Counter()
        self.rejected_20429 = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def clear(self) -> None:
        """Forget entries and totals; tests that wait go on waiting."""
        self.entries.clear()
        self.by_status.clear()
        self.requests = self.rejected_20429 = 0

    def begin(self, received: Received) -> Entry:
        """Write down a request that has arrived, before anything is done with it."""
        entry = Entry(
            method=received.wire_method,
            target=received.target,
            host=received.headers.get("Host", ""),
            raw_headers=received.raw_headers,
            raw_body=received.body[:_KEPT_BODY_BYTES],
            effective_method=received.method,
        )
        self.entries.append(entry)
        self.requests += 1
        for wanted, future in self._waiting if self._waiting else ():
            if self.requests >= wanted and not future.done():
                future.set_result(None)
        return entry

    def finish(self, entry: Entry, status: int | None, outcome: str = "answered") -> None:
        """Write down how a request ended."""
        entry.status, entry.outcome = status, outcome
        self.by_status["none" if status is None else str(status)] += 1

    async def arrived(self, requests: int = 1) -> None:
        """Wait until that many requests have arrived since the last `clear`."""
        if self.requests >= requests:
            return
        waiting = (requests, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            self._waiting.remove(waiting)


def mask_credentials(value: str) -> str:
    """`Basic billing:***`, `Bearer ***`: enough to see who, nothing to log in with."""
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() != "basic":
        return f"{scheme} ***" if credentials else "***"
    try:
        username, colon, _ = base64.b64decode(credentials).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return f"{scheme} ***"
    return f"{scheme} {username}:***" if colon else f"{scheme} ***"
