"""The state of the gateway (serving, draining or degraded) and the reasons, for `/readyz` and the page.

Called on the admin thread only. A degraded gateway is still ready: traffic belongs here.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway import __version__
from gateway.consumers.credentials import mask_sid
from gateway.observe.live.traffic_window import KeyUse
from gateway.observe.runtime import Runtime
from gateway.redis.availability import STORE_ADVICE

_LATELY_SECONDS = 60.0
_MAX_ACCOUNTS = 200
_REFUSED_IN_A_ROW = 5
"""A healthy key is refused now and then, for what it is not for."""
_REFUSED_SECONDS = 300.0
_UNUSED = KeyUse()


class Health(NamedTuple):
    """Whether traffic should come here, and the details."""

    ready: bool
    detail: dict[str, object]


class Lately:
    """The growth of a counter in the last minute. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(float("-inf"), 0)])

    def grew(self, count: int, now: float) -> int:
        """By how much."""
        seen = self._seen
        if count != seen[-1][1]:
            seen.append((now, count))
        while len(seen) > 1 and seen[1][0] <= now - _LATELY_SECONDS:
            seen.popleft()
        return count - seen[0][1]


class Status:
    """`clock` gives seconds since the epoch, `monotonic` those that never go back."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._monotonic = monotonic
        self._lines_lost = Lately()
        self._records_lost = Lately()

    def health(self) -> Health:
        """What /readyz answers."""
        state, why = self._describe_state()
        return Health(
            state != "draining" and self._runtime.stops.service.known,
            {
                "state": state,
                "why": why,
                "version": __version__,
                "config": self._runtime.snapshot().config_hash,
                "after_restart": self._runtime.process_status.after_restart,
                "store": self._store(),
                "buffered_bytes": self._runtime.buffers.used,
            },
        )

    def describe(self) -> dict[str, object]:
        """What /api/state answers."""
        runtime = self._runtime
        process_status, forwarder = runtime.process_status, runtime.forwarder
        state, why = self._describe_state()
        now, moment = self._clock(), self._monotonic()
        reload = process_status.last_reload
        return {
            "state": state,
            "why": why,
            "version": __version__,
            "config": {
                "hash": runtime.snapshot().config_hash,
                "loaded_at": process_status.loaded_at,
                "last_reload": reload and reload._asdict(),
                "after_restart": process_status.after_restart,
            },
            "started_at": process_status.started_at,
            "uptime_seconds": round(now - process_status.started_at, 3),
            "now": now,
            "connections": runtime.connections(),
            "in_flight": runtime.in_flight(),
            "buffered_bytes": runtime.buffers.used,
            "store": self._store(),
            "accounts": self._accounts(),
            "retry_budget_left": round(max(0.0, forwarder.budget.left(moment)), 1),
            "breakers": [
                {"host": host, "state": each} for host, each in forwarder.breakers.states(moment).items()
            ],
            "log_dropped": runtime.log_dropped(),
            "records_dropped": runtime.traffic_window.exchange_queue.dropped,
        }

    def _describe_state(self) -> tuple[str, list[str]]:
        why = list(self._reasons())
        if self._runtime.process_status.draining:
            return "draining", ["told to stop; what is in flight may finish", *why]
        return ("degraded" if why else "serving"), why

    def _reasons(self) -> Iterator[str]:
        runtime, moment = self._runtime, self._monotonic()
        if runtime.store is not None and not runtime.store.state.available:
            yield f"store unavailable: {STORE_ADVICE}"
        for host, state in runtime.forwarder.breakers.states(moment).items():
            reason = runtime.forwarder.breakers.reason(host).replace("_", " ")
            yield f"breaker {state.replace('_', ' ')} for {host}" + (f": {reason}" if reason else "")
        reload = runtime.process_status.last_reload
        if reload is not None and not reload.ok:
            yield f"reload failed: {reload.detail}"
        if runtime.buffers.used * 10 >= runtime.buffers.limit * 9:
            yield "too many bytes of bodies are held (callers.buffered_bytes)"
        if runtime.forwarder.budget.left(moment) < 1:
            yield "retry budget spent"
        yield from self._refused_keys()
        if lost := self._lines_lost.grew(runtime.log_dropped(), moment):
            yield f"log lines dropped: {lost} in the last minute"
        if lost := self._records_lost.grew(runtime.traffic_window.exchange_queue.dropped, moment):
            yield f"records dropped: {lost} in the last minute"
        yield from runtime.process_status.reasons.values()

    def _refused_keys(self) -> Iterator[str]:
        """Disabled keys, and refused keys that stay in use because they are a credential's last."""
        keyring, traffic_window = self._runtime.forwarder.keyring, self._runtime.traffic_window
        since = traffic_window.refresh() - _REFUSED_SECONDS
        for credential in self._runtime.snapshot().credentials.values():
            for key in credential.account.keys:
                if keyring.is_disabled(key):
                    yield f"key {key.label} of credential {credential.name} is refused by Twilio"
                    continue
                use = traffic_window.keys.get(key.label, _UNUSED)
                if use.refused_in_a_row >= _REFUSED_IN_A_ROW and (use.last_401_at or 0.0) > since:
                    yield (
                        f"key {key.label} of credential {credential.name}: Twilio answered its last "
                        f"{use.refused_in_a_row} attempts 401"
                    )

    def _store(self) -> dict[str, object]:
        store = self._runtime.store
        if store is None:
            return {"kind": "memory", "available": True, "reason": ""}
        state = store.state
        return {
            "kind": "redis",
            "available": state.available,
            "reason": state.reason,
            "since": state.since,
        }

    def _accounts(self) -> list[dict[str, object]]:
        limiters = sorted(
            self._runtime.forwarder.limiters, key=lambda item: (-item[1].waiting, -item[1].in_flight, item[0])
        )
        return [
            {
                "account": mask_sid(key.account),
                "region": key.region,
                "product": key.product,
                "limit": limiter.adaptive_limit.limit,
                "in_flight": limiter.in_flight,
                "queued": limiter.waiting,
                "signals": limiter.adaptive_limit.signals,
            }
            for key, limiter in limiters[:_MAX_ACCOUNTS]
        ]
