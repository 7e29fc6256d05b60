"""How many requests Twilio takes at once from an account: a limit learned from its 429s (design 4.6).

Pure: the clock and chance are handed in, and nothing here waits or sends. `gate.py` asks for the capacity and
tells what became of each slot. The limit is what was admitted when the last signal came; it probes upwards by
one about once a second, doubles the step while that holds, and falls back to what was admitted.
"""

from collections.abc import Callable
from dataclasses import dataclass

_PROBE_GAP_SECONDS = 1.0
_GAP_JITTER = (0.9, 1.4)
_HOLD_FACTOR = 1.2  # a probe has held once it outlived a service time and a little
_SHORTEST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_PAUSE_JITTER = (0.5, 1.5)
_SMOOTHING = 0.1

MEETING_PERIOD_SECONDS = 2.0
MEETING_SECONDS = 0.2
"""Every 2 s of wall-clock time replicas meet for a moment: some yield a tenth of their slots, others take."""
_TAKE_AFTER_SECONDS = 0.1  # what is yielded becomes free when its request ends, not at once
_YIELD_SHARE = 10
_SMALLEST_YIELDING = 4
_HUNGRY_SECONDS = 12.0
_TAKE_CHANCE = 0.25


@dataclass(frozen=True, slots=True)
class GovernorOptions:
    """`floor` and `ceiling` bound the limit, `initial` is where it begins; all in requests at once."""

    floor: int = 1
    ceiling: int = 1000
    initial: int = 10
    yields: bool = True
    """Whether to give a tenth back for a moment now and then, for replicas that no store tells us of."""


class Governor:
    """The limit of one account, region and product.

    Times are seconds on a wall clock: replicas that cannot talk meet in the same moments to yield and to try.
    `chance(low, high)` gives a float between its arguments.
    """

    def __init__(self, options: GovernorOptions, chance: Callable[[float, float], float]) -> None:
        self.limit = min(max(options.initial, options.floor), options.ceiling)
        self.signals = 0
        self._options = options
        self._chance = chance
        self._learning = True  # until the first signal: double for as long as it goes well
        self._successes = 0
        self._step = 1
        self._probed_at: float | None = None
        self._next_probe = 0.0
        self._service_seconds = 0.05
        self._pause_until = 0.0
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._meeting = -1
        self._takes = self._took = self._taking = self._take_failed = self._hungry = False
        self._take_step = 1
        self._hungry_until: float | None = None

    def capacity(self, now: float) -> int:
        """How many slots may be held at this moment."""
        if now < self._pause_until:
            return 0
        if self._options.yields and now % MEETING_PERIOD_SECONDS < MEETING_SECONDS:
            return self._meet(now)
        return self.limit

    def changes_at(self, now: float) -> float:
        """When the capacity may change by itself: the end of a pause, or a meeting's begin or end."""
        if now < self._pause_until:
            return self._pause_until
        begun = now % MEETING_PERIOD_SECONDS
        for moment in (_TAKE_AFTER_SECONDS, MEETING_SECONDS):
            if begun < moment:
                return now - begun + moment
        return now - begun + MEETING_PERIOD_SECONDS

    def succeeded(self, now: float, *, waiting: bool, seconds: float) -> None:
        """A slot came back with an answer that was no signal, after `seconds`.

        Only while somebody is `waiting` does a success say anything about the limit.
        """
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._service_seconds += _SMOOTHING * (seconds - self._service_seconds)
        if not waiting:
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
        elif now - self._probed_at >= _HOLD_FACTOR * self._service_seconds:
            self._held(now)

    def dropped(self, now: float, *, in_flight: int) -> None:
        """A slot came back with a signal; `in_flight` is how many are held without it."""
        self.signals += 1
        self._learning = False
        self.limit = max(self._options.floor, min(self.limit, in_flight))
        self._take_failed |= self._taking
        self._taking = False
        self._probed_at = None
        self._step = 1
        self._next_probe = now + _PROBE_GAP_SECONDS * self._chance(*_GAP_JITTER)
        if in_flight == 0:
            self._pause(now)

    def set_share(self, share: int) -> None:
        """What replicas that share a store agreed on for this one."""
        self.limit = max(self._options.floor, min(self._options.ceiling, share))

    def _held(self, now: float) -> None:
        if self._taking:  # what others yielded is theirs as well: one step a meeting
            self._taking = False
            self._probed_at = None
            self._next_probe = now + _PROBE_GAP_SECONDS * self._chance(*_GAP_JITTER)
            return
        self._step = min(self._step * 2, max(1, self.limit // 4))
        self._probe(now)

    def _meet(self, now: float) -> int:
        """The capacity while replicas meet: less for who yields, a try at more for who takes.

        Who is new or was starved takes each time for a while; after that the roles are thrown, so that shares
        drift towards each other: a tenth of much is more than a tenth of little.
        """
        meeting = int(now / MEETING_PERIOD_SECONDS)
        if meeting != self._meeting:
            self._meeting = meeting
            if self._hungry_until is None:
                self._hungry_until = now + _HUNGRY_SECONDS
            self._hungry = now < self._hungry_until
            self._takes = self._hungry or self._chance(0.0, 1.0) < _TAKE_CHANCE
            self._took = False
        if self._takes or self.limit < _SMALLEST_YIELDING:
            if not (self._took or self._learning) and now % MEETING_PERIOD_SECONDS >= _TAKE_AFTER_SECONDS:
                self._took = self._taking = True
                self._step = self._take_step = self._next_take_step()
                self._take_failed = False
                self._probe(now)
            return self.limit
        return self.limit - max(1, round(self.limit / _YIELD_SHARE))

    def _next_take_step(self) -> int:
        """While hungry, twice what went well the last time, half of what did not; else a tenth."""
        if not self._hungry:
            return max(1, self.limit // _YIELD_SHARE)
        return max(1, self._take_step // 2 if self._take_failed else self._take_step * 2)

    def _probe(self, now: float) -> None:
        self._probed_at = now
        self._raise_to(self.limit + self._step)

    def _raise_to(self, limit: int) -> None:
        self.limit = min(limit, self._options.ceiling)

    def _pause(self, now: float) -> None:
        """Nothing of ours is in flight, so nothing tells when there is room: wait, and try again."""
        until = now + self._pause_seconds * self._chance(*_PAUSE_JITTER)
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)
        if self._options.yields:
            # The moment in which other replicas make room comes sooner than a long pause ends.
            meeting = now - now % MEETING_PERIOD_SECONDS + MEETING_PERIOD_SECONDS
            until = min(until, meeting + self._chance(0.5, 0.9) * MEETING_SECONDS)
            self._hungry_until = now + _HUNGRY_SECONDS
        self._pause_until = until
