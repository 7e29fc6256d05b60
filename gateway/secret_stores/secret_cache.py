"""Secrets of remote stores: fetched when a configuration is loaded, and refreshed in the background.

Keeps the last good value of each in memory, and since when it has not been confirmed. It decides no more than
whether a value has changed; `on_change` decides what follows from that.
"""

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.background.daemon_thread import call_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.config.schema.secret_store_settings import SecretStores
from gateway.config.schema.secret_values import RemoteSecret, Secret, SecretError, SecretEvent, SecretRef
from gateway.secret_stores.secret_fetch import Answers, all_failed, ask_all, make_stores
from gateway.secret_stores.store import SecretStore

OnEvent = Callable[[SecretEvent, str, str], None]
"""(event, reference, the reason if it is KEPT, else '')"""

_JITTER: Final = 0.1
_MAX_WAIT_SECONDS: Final = 60.0
_ROUND_SECONDS: Final = 300.0  # the longest `timeout_seconds` of a round
_PATIENCE_SECONDS: Final = 5.0
_STOPPING: Final = ("the gateway is stopping", "start it again")


@dataclass(frozen=True, slots=True)
class _KeptSecret:
    secret: Secret
    store: object
    """The settings of the store that gave it: what another store said is no substitute."""
    confirmed: float
    trouble: str = ""
    """Why it was not confirmed by the last round; '' if it was."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for."""

    settings: SecretStores = field(default_factory=SecretStores)
    references: tuple[SecretRef, ...] = ()
    stores: Mapping[str, SecretStore] = field(default_factory=dict)


class SecretCache:
    """Hand it to `load_resolved` at the start and at each reload; `start` it in between, `close` it last.

        secrets = SecretCache()
        resolved = load_resolved(path, environ, secrets)  # a store that is away is a ConfigError
        secrets.start(on_change, on_event)  # all is asked for again every `refresh_seconds`
        resolved = load_resolved(path, environ, secrets)  # a reload: if it is away, the last good values
        secrets.close()

    Every method may be called from any thread; `fetch`, `refresh` and `close` block. A reload that fails for
    want of a secret leaves what is asked for in the background as it was.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._spread = spread
        self._round = threading.Lock()
        """Held during a round, and while what it found is taken over."""
        self._plan = _Plan()
        self._kept: Mapping[SecretRef, _KeptSecret] = {}
        self._on_change: Callable[[], object] = _nothing
        self._on_event: OnEvent = _nothing
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = threading.Lock()
        """Guards the two below, and nothing that takes long."""
        self._closed = False
        self._stopped = threading.Event()
        self.loops = BackgroundLoops()
        self._abort: Callable[[], object] | None = None

    def fetch(
        self,
        stores: SecretStores,
        references: Sequence[SecretRef],
        environ: Mapping[str, str],
        base_dir: Path,
    ) -> RemoteSecret:
        """Ask for all `references` now, `stores.timeout_seconds` at most. If each has a value, these are what
        is asked for in the background."""
        plan = _Plan(stores, tuple(references), make_stores(stores, environ, base_dir, self._clock))
        with self._round:
            answers = self._ask(plan)
            kept, events = self._judge(plan, answers)
            adopted = len(kept) == len(answers)
            if adopted:
                self._plan, self._kept = plan, kept
        if adopted:
            self._woken.set()  # all has been asked just now, and `refresh_seconds` may be another
            self._tell(events)

        def answer(reference: SecretRef) -> Secret:
            found = kept[reference].secret if reference in kept else answers[reference]
            if isinstance(found, SecretError):
                raise found
            return found

        return answer

    def start(self, on_change: Callable[[], object], on_event: OnEvent) -> None:
        """Refresh in the background. `on_change` is called after a round in which any value changed: load the
        configuration again. Both are called on the cache's threads, must not raise, and should only hand over
        (`loop.call_soon_threadsafe`)."""
        self._on_change, self._on_event = on_change, on_event
        self._thread = self.loops.start_thread(
            "secret_refresh", _MAX_WAIT_SECONDS + _ROUND_SECONDS, self._refresh_until_closed, self._stopped
        )

    def refresh(self) -> bool:
        """Ask for everything again, now. Whether any value has changed; calls `on_event`, not `on_change`."""
        with self._round:
            answers = self._ask(self._plan)
            if self._closed:
                return False
            kept, events = self._judge(self._plan, answers)
            self._kept = kept
        self._tell(events)
        return any(event is SecretEvent.ROTATED for event, _, _ in events)

    def ages(self) -> Mapping[str, float]:
        """Reference -> seconds since a store last confirmed its value."""
        now = self._clock()
        return {str(reference): max(0.0, now - kept.confirmed) for reference, kept in self._kept.items()}

    def failures(self) -> Mapping[str, str]:
        """Reference -> why the last round did not confirm it; only those whose last good value is in use."""
        return {str(reference): kept.trouble for reference, kept in self._kept.items() if kept.trouble}

    def close(self) -> None:
        """End what is under way, and the thread. What was fetched stays; `fetch` finds nothing any more."""
        with self._ending:
            self._closed = True
            self._stopped.set()
            if self._abort is not None:
                self._abort()
        self._woken.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE_SECONDS)

    def _refresh_until_closed(self, loop: BackgroundLoop) -> None:
        due = self._next_round()
        while not self._closed:
            loop.beat()
            if self._woken.wait(max(0.0, min(_MAX_WAIT_SECONDS, due - time.monotonic()))):
                self._woken.clear()
            elif time.monotonic() < due:
                continue
            elif self.refresh():
                self._on_change()
            due = self._next_round()

    def _next_round(self) -> float:
        pause = self._pause_seconds()
        return math.inf if pause is None else time.monotonic() + pause

    def _pause_seconds(self) -> float | None:
        if not self._plan.references:
            return None
        return self._plan.settings.refresh_seconds * self._spread(1 - _JITTER, 1 + _JITTER)

    def _ask(self, plan: _Plan) -> Answers:
        # A thread of its own: the caller's may have a running loop.
        return call_in_thread(lambda: asyncio.run(self._ask_unless_closed(plan))).result()

    async def _ask_unless_closed(self, plan: _Plan) -> Answers:
        task = asyncio.current_task()
        assert task is not None
        with self._ending:
            if self._closed:
                return all_failed(plan.references, *_STOPPING)
            loop = asyncio.get_running_loop()
            self._abort = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await ask_all(plan.stores, plan.references, plan.settings.timeout_seconds)
        except asyncio.CancelledError:  # by `close`; this task is a loop's only one
            return all_failed(plan.references, *_STOPPING)
        finally:
            with self._ending:
                self._abort = None

    def _judge(
        self, plan: _Plan, answers: Answers
    ) -> tuple[dict[SecretRef, _KeptSecret], list[tuple[SecretEvent, str, str]]]:
        """What is known after a round, and what there is to tell of it. References without any value are not
        in it."""
        now = self._clock()
        found: dict[SecretRef, _KeptSecret] = {}
        events: list[tuple[SecretEvent, str, str]] = []
        for reference, answer in answers.items():
            store = getattr(plan.settings, reference.scheme)
            old = self._kept.get(reference)
            if old is not None and old.store != store:
                old = None
            if isinstance(answer, Secret):
                found[reference] = _KeptSecret(answer, store, now)
                if old is not None and old.trouble:
                    events.append((SecretEvent.CONFIRMED, str(reference), ""))
                if old is not None and old.secret.reveal() != answer.reveal():
                    events.append((SecretEvent.ROTATED, str(reference), ""))
            elif old is not None:
                why = answer.message.removeprefix(f"{reference} ").removeprefix("was not read: ")
                found[reference] = replace(old, trouble=why)
                if not old.trouble:
                    events.append((SecretEvent.KEPT, str(reference), why))
        return found, events

    def _tell(self, events: Sequence[tuple[SecretEvent, str, str]]) -> None:
        for event in events:
            self._on_event(*event)


def _nothing(*_: str) -> None:
    """Until `start` has said whom to tell."""
