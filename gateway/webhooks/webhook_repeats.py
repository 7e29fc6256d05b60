"""First answers, for Twilio's repeats: the same route, signature and I-Twilio-Idempotency-Token.

The signature covers URL and body, so that a repeat is the same request; one without the token is never a
repeat. Bounded in entries, bytes and time: what is dropped is delivered twice, as Twilio itself may do.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

KEPT_SECONDS: Final = 300.0
"""Longer than all of Twilio's retries of one webhook take, which is a minute at most."""
MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 33_554_432
_ENTRY_BYTES: Final = 300  # a key and its bookkeeping, about


class WebhookAnswer(NamedTuple):
    """What goes back to Twilio. `fields` are CRLF-ended lines without framing."""

    status: int
    fields: bytes
    body: bytes


RepeatKey = tuple[str, bytes, bytes]
"""(route, signature, token)"""


class FirstRequest:
    """The first of its kind. Repeats wait for `answer`, which is None where there is none to repeat."""

    __slots__ = ("answer", "expires", "size")

    def __init__(self, answer: "asyncio.Future[WebhookAnswer | None]") -> None:
        self.answer = answer
        self.expires = 0.0
        self.size = _ENTRY_BYTES


class WebhookRepeats:
    """One per process, on its loop. `clock` is monotonic, in seconds."""

    def __init__(
        self, clock: Callable[[], float], max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[RepeatKey, FirstRequest] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        return self._bytes

    def find(self, key: RepeatKey) -> FirstRequest | None:
        """The first request of this kind, if it is under way or its answer is kept."""
        entry = self._entries.get(key)
        if entry is not None and entry.answer.done() and entry.expires <= self._clock():
            self._drop(key)
            return None
        return entry

    def begin(self, key: RepeatKey) -> FirstRequest:
        """This is the first one. `end` follows always."""
        entry = FirstRequest(asyncio.get_running_loop().create_future())
        self._entries[key] = entry
        self._bytes += entry.size
        self._make_room()
        return entry

    def end(self, key: RepeatKey, entry: FirstRequest, answer: WebhookAnswer | None) -> None:
        """Its answer, kept for repeats; None if none came, so that a repeat is tried again."""
        if not entry.answer.done():
            entry.answer.set_result(answer)
        if self._entries.get(key) is not entry:
            return
        if answer is None:
            self._drop(key)
            return
        entry.expires = self._clock() + KEPT_SECONDS
        grown = len(answer.body) + len(answer.fields)
        entry.size += grown
        self._bytes += grown
        self._make_room()

    def _make_room(self) -> None:
        """Drop what is past, then the oldest."""
        now = self._clock()
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            crowded = len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            if not crowded and not (oldest.answer.done() and oldest.expires <= now):
                return
            self._drop(key)

    def _drop(self, key: RepeatKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
