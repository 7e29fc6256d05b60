"""First answers of all replicas, in Redis: what one replica delivers, another answers without its service.

An entry is a flight while its event is under way, renewed by the replica that delivers it, and then a sealed
answer. Redis is never a reason to refuse: while it is away or slow, events are delivered, perhaps twice. An
answer may hold what a person wrote: it is sealed by a key made of the secret that signed the event, which
Redis does not have, so that only a replica that can verify the event can read it.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

from gateway.background.unwaited import UnwaitedTasks
from gateway.http.stored_response import STORED_BYTES
from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import ScriptStore
from gateway.repeat_guard.answer_seal import seal, unseal
from gateway.webhooks.answer_scripts import BEGIN, END, RENEW, SHARDS
from gateway.webhooks.signature import SigningSecret
from gateway.webhooks.webhook_repeats import RepeatKey, WebhookAnswer

LEASE_SECONDS: Final = 3.0
"""How long a replica that fell silent keeps an event from the others."""
_FIRST_POLL_SECONDS: Final = 0.01
_MAX_POLL_SECONDS: Final = 0.1
_PURPOSE: Final = b"twilio-gateway: first answer of a webhook\n"
_ANSWER: Final = b"a"


class SharedRepeat(StrEnum):
    """What happened between replicas; counted."""

    ANSWERED = "answered"  # a repeat got an answer of another replica's
    WAITED = "waited"  # a repeat waited for another replica
    STORE_UNAVAILABLE = "store_unavailable"  # Redis did not answer: the event was delivered all the same
    TOO_LARGE = "too_large"  # an answer that is not shared
    UNREADABLE = "unreadable"  # an answer of a replica with other secrets, or of another release


class SharedFlight:
    """One event's entry as this replica sees it. `is_ours` if the entry is, or may be, this replica's."""

    __slots__ = ("digest", "is_ours", "keys", "owner", "seal_key", "timer")

    def __init__(self, key: RepeatKey, secret: SigningSecret) -> None:
        route, signature, token = key
        self.digest = hashlib.blake2b(b"\0".join((route.encode(), signature, token)), digest_size=16).digest()
        place = f"webhook_answers:{{{self.digest[0] % SHARDS}}}"
        self.keys = (f"{place}:entries", f"{place}:ends", f"{place}:bytes")
        self.owner = secrets.token_bytes(8)
        self.seal_key = hmac.digest(secret.key, _PURPOSE + self.digest, "sha256")
        self.is_ours = False
        self.timer: asyncio.TimerHandle | None = None


class SharedAnswers:
    """One per process, on its loop. `now` is the time that replicas share, in seconds since the epoch."""

    def __init__(
        self,
        store: ScriptStore,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.counts = dict.fromkeys(SharedRepeat, 0)
        self._store = store
        self._now = now
        self._sleep = sleep
        self._lease_ms = round(lease_seconds * 1000)
        self._renew_seconds = lease_seconds / 3
        self._tasks = UnwaitedTasks()

    async def find(self, flight: SharedFlight, deadline: float) -> WebhookAnswer | None:
        """The first answer, waited for until `deadline` (the loop's clock); None if the event is ours to
        deliver: `end` follows then. Raises `TimeoutError`."""
        loop, poll, has_waited = asyncio.get_running_loop(), _FIRST_POLL_SECONDS, False
        while True:
            flight.is_ours = True  # perhaps, if no answer comes
            try:
                found = await self._store.run(BEGIN, flight.keys, self._arguments(flight))
            except StoreUnavailable:
                self.counts[SharedRepeat.STORE_UNAVAILABLE] += 1
                if not has_waited or not self._store.state.available:
                    return None
            else:
                if found is None:
                    self._keep_renewed(flight)
                    return None
                flight.is_ours = False
                if found[:1] == _ANSWER:
                    return self._read(flight, found)
                if not has_waited:
                    has_waited = True
                    self.counts[SharedRepeat.WAITED] += 1
            left = deadline - loop.time()
            if left <= 0:
                raise TimeoutError
            await self._sleep(min(poll, left))
            poll = min(2 * poll, _MAX_POLL_SECONDS)

    def end(self, flight: SharedFlight, answer: WebhookAnswer | None) -> None:
        """The answer of a flight, None if there is none to repeat. Never waits."""
        if flight.timer is not None:
            flight.timer.cancel()
            flight.timer = None
        if not flight.is_ours:
            return
        value = b"" if answer is None else _ANSWER + seal(flight.seal_key, _encode(answer))
        if len(value) > STORED_BYTES:
            self.counts[SharedRepeat.TOO_LARGE] += 1
            value = b""
        self._tasks.start(self._write(flight, value))

    async def close(self, seconds: float = 1.0) -> None:
        """Give writes under way `seconds`."""
        await self._tasks.close(seconds)

    def _read(self, flight: SharedFlight, value: bytes) -> WebhookAnswer | None:
        try:
            answer = _decode(unseal(flight.seal_key, value[len(_ANSWER) :]))
        except ValueError:
            self.counts[SharedRepeat.UNREADABLE] += 1
            return None
        self.counts[SharedRepeat.ANSWERED] += 1
        return answer

    def _arguments(self, flight: SharedFlight) -> tuple[bytes | int, ...]:
        return round(self._now() * 1000), flight.digest, flight.owner, self._lease_ms

    def _keep_renewed(self, flight: SharedFlight) -> None:
        loop = asyncio.get_running_loop()
        flight.timer = loop.call_later(self._renew_seconds, self._renew_soon, flight)

    def _renew_soon(self, flight: SharedFlight) -> None:
        self._keep_renewed(flight)
        self._tasks.start(self._renew(flight))

    async def _renew(self, flight: SharedFlight) -> None:
        try:
            await self._store.run(RENEW, flight.keys, self._arguments(flight))
        except StoreUnavailable:
            return  # the next timer tries again

    async def _write(self, flight: SharedFlight, value: bytes) -> None:
        try:
            await self._store.run(END, flight.keys, (*self._arguments(flight)[:3], value))
        except StoreUnavailable:
            self.counts[SharedRepeat.STORE_UNAVAILABLE] += 1


def _encode(answer: WebhookAnswer) -> bytes:
    return b"%d %d\n%b%b" % (answer.status, len(answer.fields), answer.fields, answer.body)


def _decode(data: bytes) -> WebhookAnswer:
    """Raises `ValueError`."""
    head, _, rest = data.partition(b"\n")
    status, length = map(int, head.split())
    return WebhookAnswer(status, rest[:length], rest[length:])
