"""How many requests Twilio takes at once from an account: a limit learned from its 429s (design 4.6).

Pure: the clock and chance are handed in, and nothing here waits or sends. `gate.py` asks for the capacity and
tells what became of each slot. The limit is what was admitted when the last signal came; it probes upwards by
one about once a second, doubles the step while that holds, and falls back to what was admitted.

Replicas that no store tells of each other share the account in three ways. A signal that no probe of ours
called for means that somebody else is there: then a probe that held was taken from them, and is not doubled.
They meet for a moment every 2 s: most yield a tenth of their slots, who takes tries for more. Who is hungry
(new and hardly admitted, or lately down to less than half) takes in each meeting for 20 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

_PROBE_GAP_SECONDS = 1.0
_LONGEST_GAP_SECONDS = 5.0
_SUCCESSES_PER_PROBE = 100  # a probe mostly costs a signal: no more than 1 % where answers are slow
_GAP_JITTER = (0.9, 1.4)
_HOLD_FACTOR = 1.2  # a probe has held once it outlived a service time and a little,
_HOLD_SECONDS = 0.2  # and others had time to complain
_SHARED_SECONDS = 10.0  # for so long after another's probe we are not alone
_SHORTEST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_PAUSE_JITTER = (0.5, 1.5)
_SMOOTHING = 0.1
_SET_BACK_SECONDS = 1.0

MEETING_PERIOD_SECONDS = 2.0
MEETING_SECONDS = 0.2
_TAKE_AFTER_SECONDS = 0.1  # what is yielded becomes free when its request ends, not at once
_YIELD_SHARE = 10
_SMALLEST_YIELDING = 4
_TAKE_CHANCE = 0.15
_FIRST_TAKE = 8
_HUNGRY_SECONDS = 20.0
_MOST_EMPTY_TAKES = 5
_FORGETTING = 0.93  # per meeting, of the most it had lately


@dataclass(frozen=True, slots=True)
class AdaptiveLimitOptions:
    """`floor` and `ceiling` bound the limit, `initial` is where it begins; all in requests at once."""

    floor: int = 1
    ceiling: int = 1000
    initial: int = 10
    yields: bool = True
    """Whether to meet, for replicas that no store tells us of."""


class AdaptiveLimit:
    """The limit of one account, region and product.

    Times are seconds on a wall clock: replicas that cannot talk meet in the same moments to yield and to try.
    `chance(low, high)` gives a float between its arguments.
    """

    def __init__(self, options: AdaptiveLimitOptions, chance: Callable[[float, float], float]) -> None:
        self.limit = min(max(options.initial, options.floor), options.ceiling)
        self.signals = 0
        self.yields = options.yields
        """May be switched while running: off while a store tells the shares, on when it is away."""
        self._options = options
        self._chance = chance
        self._now = 0.0
        self._learning = True  # until the first signal: double for as long as it goes well
        self._successes = 0
        self._service_seconds = 0.05
        self._step = 1
        self._probed_at: float | None = None
        self._next_probe = 0.0
        self._own_until = 0.0  # signals until then are of our own making
        self._alone_from = 0.0
        self._pause_until = 0.0
        self._paused_at = 0
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
        self._meeting = -1
        self._takes = self._took = self._taking = self._take_failed = False
        self._take_step = _FIRST_TAKE // 2
        self._before_take = self._empty_takes = 0
        self._hungry_until = 0.0
        self._peak = 2.0 * self.limit + 1  # the most it had lately; a newcomer should double at least

    def adopt(self, options: AdaptiveLimitOptions) -> None:
        """Other bounds from now on. Whether to meet is not among them: `yields` is switched by itself."""
        self._options = options
        self.limit = min(max(self.limit, options.floor), options.ceiling)

    def capacity(self, now: float) -> int:
        """How many slots may be held at this moment."""
        if now < self._now - _SET_BACK_SECONDS:
            self._forget_moments()
        self._now = now
        if now < self._pause_until:
            return self._paused_at
        if self.yields and now % MEETING_PERIOD_SECONDS < MEETING_SECONDS:
            return self._meet(now)
        return self.limit

    def changes_at(self, now: float) -> float:
        """When the capacity may change by itself: a pause's end, a meeting's begin or end; else infinity."""
        if now < self._pause_until:
            return self._pause_until
        if not self.yields:
            return inf
        begun = now % MEETING_PERIOD_SECONDS
        for moment in (_TAKE_AFTER_SECONDS, MEETING_SECONDS):
            if begun < moment:
                return now - begun + moment
        return now - begun + MEETING_PERIOD_SECONDS

    def succeeded(self, now: float, *, waiting: bool, seconds: float) -> None:
        """A slot came back with an answer that was no signal, after `seconds`.

        Only while somebody is `waiting`, and for the limit and not for a pause or a meeting, does a success
        say anything about the limit.
        """
        self._pause_seconds = _SHORTEST_PAUSE_SECONDS
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
        """A slot came back with a signal; `in_flight` is how many are held without it."""
        self.signals += 1
        if self._learning or self._probed_at is not None:
            self._own_until = now + 2 * self._service_seconds
        elif now > self._own_until:
            self._alone_from = now + _SHARED_SECONDS
        self._learning = False
        self.limit = max(self._options.floor, min(self.limit, in_flight))
        self._take_failed |= self._taking
        self._end_probe(now)
        if self.limit * 2 < self._peak and now >= self._hungry_until:
            self._hungry_until = now + _HUNGRY_SECONDS
            self._empty_takes = 0
            self._peak = 0.0
        if in_flight < self._options.floor:
            self._pause(now, in_flight)

    def set_share(self, share: int) -> None:
        """What replicas that share a store agreed on for this one."""
        if share != self.limit:
            self._learning = False
        self.limit = max(self._options.floor, min(self._options.ceiling, share))

    def _hold_seconds(self) -> float:
        outlived = _HOLD_FACTOR * self._service_seconds
        return outlived if self._taking else max(outlived, _HOLD_SECONDS)

    def _held(self, now: float) -> None:
        # What others yielded or lost is theirs as well: one step at a time. A store evens it out by itself.
        if self._taking or (self.yields and now < max(self._alone_from, self._hungry_until)):
            self._end_probe(now)
            return
        self._step = min(self._step * 2, max(1, self.limit // 4))
        self._probe(now)

    def _meet(self, now: float) -> int:
        """The capacity while replicas meet: less for who yields, a try at more for who takes.

        But for the hungry the roles are thrown, so that shares drift towards each other: a tenth of much is
        more than a tenth of little.
        """
        meeting = int(now / MEETING_PERIOD_SECONDS)
        if meeting != self._meeting:
            self._meeting = meeting
            self._begin_meeting(now)
        # Who took in this meeting does not yield in it, though taking may have made it large enough to.
        if not (self._takes or self._took) and self.limit >= _SMALLEST_YIELDING:
            return self.limit - max(1, round(self.limit / _YIELD_SHARE))
        if not (self._took or self._learning) and now % MEETING_PERIOD_SECONDS >= _TAKE_AFTER_SECONDS:
            self._took = self._taking = True
            self._step = self._take_step = self._next_take_step(now)
            self._take_failed = False
            self._probe(now)
        return self.limit

    def _begin_meeting(self, now: float) -> None:
        self._peak = max(self._peak * _FORGETTING, self.limit)
        if self._took:
            self._empty_takes = 0 if self.limit > self._before_take else self._empty_takes + 1
            if self._empty_takes >= _MOST_EMPTY_TAKES:  # nobody is there to yield
                self._hungry_until = now
        self._before_take = self.limit
        self._takes = now < self._hungry_until or self._chance(0.0, 1.0) < _TAKE_CHANCE
        self._took = False

    def _next_take_step(self, now: float) -> int:
        """Twice what went well the last time, half of what did not; the hungry ask for a quarter at least."""
        least = max(2, self.limit // 4) if now < self._hungry_until else 1
        if self._take_failed:
            return max(least, self._take_step // 2)
        return max(least, min(self._take_step * 2, max(_FIRST_TAKE, self.limit)))

    def _probe(self, now: float) -> None:
        self._probed_at = now
        self._raise_to(self.limit + self._step)

    def _end_probe(self, now: float) -> None:
        self._probed_at = None
        self._taking = False
        self._step = 1
        gap = _SUCCESSES_PER_PROBE * self._service_seconds / max(1, self.limit)
        gap = min(max(gap, _PROBE_GAP_SECONDS), _LONGEST_GAP_SECONDS)
        self._next_probe = now + gap * self._chance(*_GAP_JITTER)

    def _raise_to(self, limit: int) -> None:
        self.limit = min(limit, self._options.ceiling)

    def _pause(self, now: float, in_flight: int) -> None:
        """Nothing of ours may end that would tell when there is room: wait, and try again."""
        until = now + self._pause_seconds * self._chance(*_PAUSE_JITTER)
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)
        if self.yields:
            # The moment in which other replicas make room comes sooner than a long pause ends.
            meeting = now - now % MEETING_PERIOD_SECONDS + MEETING_PERIOD_SECONDS
            until = min(until, meeting + self._chance(0.5, 0.9) * MEETING_SECONDS)
            self._hungry_until = now + _HUNGRY_SECONDS
        self._pause_until = until
        self._paused_at = in_flight

    def _forget_moments(self) -> None:
        """The clock was set back: what was to come in a second would be hours away."""
        self._pause_until = self._next_probe = self._own_until = 0.0
        self._alone_from = self._hungry_until = 0.0
        self._probed_at = None
        self._taking = False
