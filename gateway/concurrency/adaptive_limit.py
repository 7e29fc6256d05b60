"""How many requests at once Twilio admits from an account, learned from its 429s (`docs/design.md` 4.6).

Pure: the clock and chance are handed in, and nothing here waits or sends. `concurrency_limiter.py` asks for
the capacity and reports the outcome of each permit. The limit is what was admitted when the last signal came.
It probes upwards by one about once a second, doubles the step while that holds, and falls back to what was
admitted.

Replicas without a shared store divide an account in three ways. A signal that follows no probe of this
replica means that another one is active: a probe that held was then taken from it, and is not doubled. Every
2 s there is a short coordination window: most replicas yield a tenth of their permits, and a probing replica
tries for more. A starved replica (new and hardly admitted, or recently reduced to less than half) probes in
each window for 20 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

_PROBE_GAP_SECONDS: Final = 1.0
_MAX_GAP_SECONDS: Final = 5.0
_SUCCESSES_PER_PROBE: Final = 100  # most probes cost a signal: at most 1 % where answers are slow
_GAP_JITTER = (0.9, 1.4)  # not Final: mypyc takes a tuple of numbers for one that was never set
_HOLD_FACTOR: Final = 1.2  # a probe has held once it outlived a service time and a little,
_HOLD_SECONDS: Final = 0.2  # and Twilio had time to signal
_SHARED_SECONDS: Final = 10.0  # how long another replica's probe counts as evidence of it
_MIN_PAUSE_SECONDS: Final = 0.05
_MAX_PAUSE_SECONDS: Final = 1.0
_PAUSE_JITTER = (0.5, 1.5)
_SMOOTHING: Final = 0.1
_SET_BACK_SECONDS: Final = 1.0

WINDOW_PERIOD_SECONDS: Final = 2.0
WINDOW_SECONDS: Final = 0.2
_PROBE_AFTER_SECONDS: Final = 0.1  # what is yielded becomes free when its request ends, not at once
_YIELD_SHARE: Final = 10
_MIN_YIELDING_LIMIT: Final = 4
_PROBE_CHANCE: Final = 0.15
_FIRST_WINDOW_STEP: Final = 8
_STARVED_SECONDS: Final = 20.0
_MAX_FAILED_WINDOWS: Final = 5
_PEAK_DECAY: Final = 0.93  # per window, of the recent peak


@dataclass(frozen=True, slots=True)
class AdaptiveLimitOptions:
    """`floor` and `ceiling` bound the limit, `initial` is where it starts; all in concurrent requests."""

    floor: int = 1
    ceiling: int = 1000
    initial: int = 10
    yields: bool = True
    """Whether to take part in coordination windows, for replicas without a shared store."""


class AdaptiveLimit:
    """The limit of one account, region and product.

    Times are seconds since the epoch: replicas that cannot communicate have the same coordination windows.
    `chance(low, high)` gives a float between its arguments.
    """

    def __init__(self, options: AdaptiveLimitOptions, chance: Callable[[float, float], float]) -> None:
        self.limit = min(max(options.initial, options.floor), options.ceiling)
        self.signals = 0
        self.yields = options.yields
        """Switched while running: off while a store distributes the shares, on while it is unavailable."""
        self._options = options
        self._chance = chance
        self._now = 0.0
        self._learning = True  # until the first signal: double as long as attempts succeed
        self._successes = 0
        self._service_seconds = 0.05
        self._step = 1
        self._probed_at: float | None = None
        self._next_probe = 0.0
        self._own_until = 0.0  # signals until then are caused by our own probe
        self._alone_from = 0.0
        self._pause_until = 0.0
        self._paused_at = 0
        self._pause_seconds = _MIN_PAUSE_SECONDS
        self._window = -1
        self._probes_in_window = self._probed_in_window = False
        self._window_probe_open = self._window_probe_failed = False
        self._window_step = _FIRST_WINDOW_STEP // 2
        self._before_window = self._failed_windows = 0
        self._starved_until = 0.0
        self._peak = 2.0 * self.limit + 1  # recent maximum; a new replica should at least double

    def apply(self, options: AdaptiveLimitOptions) -> None:
        """Apply new bounds. `yields` is not among them; it is switched on its own."""
        self._options = options
        self.limit = min(max(self.limit, options.floor), options.ceiling)

    def capacity(self, now: float) -> int:
        """How many permits may be held at this moment."""
        if now < self._now - _SET_BACK_SECONDS:
            self._reset_moments()
        self._now = now
        if now < self._pause_until:
            return self._paused_at
        if self.yields and now % WINDOW_PERIOD_SECONDS < WINDOW_SECONDS:
            return self._window_capacity(now)
        return self.limit

    def changes_at(self, now: float) -> float:
        """When the capacity may next change by itself: a pause ends, or a coordination window starts or ends.

        Infinity if it does not change by itself.
        """
        if now < self._pause_until:
            return self._pause_until
        if not self.yields:
            return inf
        elapsed = now % WINDOW_PERIOD_SECONDS
        for moment in (_PROBE_AFTER_SECONDS, WINDOW_SECONDS):
            if elapsed < moment:
                return now - elapsed + moment
        return now - elapsed + WINDOW_PERIOD_SECONDS

    def succeeded(self, now: float, *, waiting: bool, seconds: float) -> None:
        """Record an answer that was no signal and took `seconds`.

        A success is evidence about the limit only while requests are `waiting` because of the limit itself,
        not because of a pause or a coordination window.
        """
        self._pause_seconds = _MIN_PAUSE_SECONDS
        self._service_seconds += _SMOOTHING * (seconds - self._service_seconds)
        if not waiting or self.capacity(now) < self.limit:
            return
        if self._learning:
            self._successes += 1
            if self._successes >= self.limit:
                self._successes = 0
                self._raise_to(self.limit * 2)
        elif self._probed_at is None:
            if now >= self._next_probe:
                self._step = 1
                self._probe(now)
        elif now - self._probed_at >= self._hold_seconds():
            self._held(now)

    def dropped(self, now: float, *, in_flight: int) -> None:
        """Record a signal of overload; `in_flight` is how many permits are still held."""
        self.signals += 1
        if self._learning or self._probed_at is not None:
            self._own_until = now + 2 * self._service_seconds
        elif now > self._own_until:
            self._alone_from = now + _SHARED_SECONDS
        self._learning = False
        self.limit = max(self._options.floor, min(self.limit, in_flight))
        self._window_probe_failed |= self._window_probe_open
        self._end_probe(now)
        if self.limit * 2 < self._peak and now >= self._starved_until:
            self._starved_until = now + _STARVED_SECONDS
            self._failed_windows = 0
            self._peak = 0.0
        if in_flight < self._options.floor:
            self._pause(now, in_flight)

    def set_share(self, share: int) -> None:
        """Set the share of this replica, as agreed by the replicas that share a store."""
        if share != self.limit:
            self._learning = False
        self.limit = max(self._options.floor, min(self._options.ceiling, share))

    def _hold_seconds(self) -> float:
        outlived = _HOLD_FACTOR * self._service_seconds
        return outlived if self._window_probe_open else max(outlived, _HOLD_SECONDS)

    def _held(self, now: float) -> None:
        # Permits that others yielded or lost are also theirs: one step at a time. A store balances by itself.
        if self._window_probe_open or (self.yields and now < max(self._alone_from, self._starved_until)):
            self._end_probe(now)
            return
        self._step = min(self._step * 2, max(1, self.limit // 4))
        self._probe(now)

    def _window_capacity(self, now: float) -> int:
        """The capacity in a coordination window: a yielding replica lowers it, a probing one tries for more.

        Unless a replica is starved, roles are drawn at random. The shares converge, because a tenth of a
        large limit is more than a tenth of a small one.
        """
        window = int(now / WINDOW_PERIOD_SECONDS)
        if window != self._window:
            self._window = window
            self._begin_window(now)
        # A replica that probed in this window does not yield in it, even if the probe made it large enough.
        if not (self._probes_in_window or self._probed_in_window) and self.limit >= _MIN_YIELDING_LIMIT:
            return self.limit - max(1, round(self.limit / _YIELD_SHARE))
        is_time = now % WINDOW_PERIOD_SECONDS >= _PROBE_AFTER_SECONDS
        if is_time and not (self._probed_in_window or self._learning):
            self._probed_in_window = self._window_probe_open = True
            self._step = self._window_step = self._next_window_step(now)
            self._window_probe_failed = False
            self._probe(now)
        return self.limit

    def _begin_window(self, now: float) -> None:
        self._peak = max(self._peak * _PEAK_DECAY, self.limit)
        if self._probed_in_window:
            self._failed_windows = 0 if self.limit > self._before_window else self._failed_windows + 1
            if self._failed_windows >= _MAX_FAILED_WINDOWS:  # no other replica yields anything
                self._starved_until = now
        self._before_window = self.limit
        self._probes_in_window = now < self._starved_until or self._chance(0.0, 1.0) < _PROBE_CHANCE
        self._probed_in_window = False

    def _next_window_step(self, now: float) -> int:
        """Twice the last step if it held, half of it if not; a starved replica tries at least a quarter."""
        least = max(2, self.limit // 4) if now < self._starved_until else 1
        if self._window_probe_failed:
            return max(least, self._window_step // 2)
        return max(least, min(self._window_step * 2, max(_FIRST_WINDOW_STEP, self.limit)))

    def _probe(self, now: float) -> None:
        self._probed_at = now
        self._raise_to(self.limit + self._step)

    def _end_probe(self, now: float) -> None:
        self._probed_at = None
        self._window_probe_open = False
        self._step = 1
        gap = _SUCCESSES_PER_PROBE * self._service_seconds / max(1, self.limit)
        gap = min(max(gap, _PROBE_GAP_SECONDS), _MAX_GAP_SECONDS)
        self._next_probe = now + gap * self._chance(*_GAP_JITTER)

    def _raise_to(self, limit: int) -> None:
        self.limit = min(limit, self._options.ceiling)

    def _pause(self, now: float, in_flight: int) -> None:
        """Nothing is in flight whose completion could show that there is room: pause, then probe again."""
        until = now + self._pause_seconds * self._chance(*_PAUSE_JITTER)
        self._pause_seconds = min(_MAX_PAUSE_SECONDS, self._pause_seconds * 2)
        if self.yields:
            # The next window, in which other replicas make room, may come before a long pause ends.
            window = now - now % WINDOW_PERIOD_SECONDS + WINDOW_PERIOD_SECONDS
            until = min(until, window + self._chance(0.5, 0.9) * WINDOW_SECONDS)
            self._starved_until = now + _STARVED_SECONDS
        self._pause_until = until
        self._paused_at = in_flight

    def _reset_moments(self) -> None:
        """The clock was set back: moments that were a second away could now be hours away."""
        self._pause_until = self._next_probe = self._own_until = 0.0
        self._alone_from = self._starved_until = 0.0
        self._probed_at = None
        self._window_probe_open = False
