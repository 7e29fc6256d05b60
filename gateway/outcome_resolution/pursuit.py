"""One open outcome that is looked for: what is known of it so far, and who waits. It makes no look itself."""

import asyncio
from collections.abc import Callable

from gateway.exchange import Exchange
from gateway.outcome_resolution.look_schedule import is_wide, next_look
from gateway.outcome_resolution.look_verdict import Judgement, Look, LookVerdict, judge_look
from gateway.outcome_resolution.twilio_looks import Turn
from gateway.repeat_guard.open_outcomes import OpenOutcome

UNDECIDED = Judgement(LookVerdict.OPEN)
GIVEN_UP = Judgement(LookVerdict.FAILED)
CANNOT_ASK = Judgement(LookVerdict.REFUSED)


class Pursuit:
    """`turn` is that of the caller who waits, None in the background. Times are those of `OpenOutcomes.now`.

    `judgement` is final once it is not `UNDECIDED`; `on_found` is then called if it was found while its
    attempt was still in flight. Looks for a waiting caller are put on the `exchange`'s timeline.
    """

    def __init__(self, outcome: OpenOutcome, now: Callable[[], float]) -> None:
        self.outcome = outcome
        self.judgement = UNDECIDED
        self.turn: Turn | None = None
        self.exchange: Exchange | None = None
        self.on_found: Callable[[], None] | None = None
        self.task: asyncio.Task[None] | None = None
        self._now = now
        self._looked_at: float | None = None
        self._asked_now = False
        self._for_person = False
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()

    @property
    def ended_at(self) -> float | None:
        """When the attempt ended; None while it is in flight."""
        return self.outcome.ended_at or None

    @property
    def is_decided(self) -> bool:
        """Whether no look follows."""
        return self.judgement is not UNDECIDED

    def changed(self) -> None:
        """The attempt has ended, or the caller has come or gone: the next look may be due at another time."""
        self._changed.set()

    def look_now(self) -> None:
        """A person asks: look as soon as possible, whatever the schedule says, and go by what is there now.

        What was seen before and is gone holds nothing up any more: a person knows who deleted it.
        """
        self._asked_now = self._for_person = True
        self._changed.set()

    def next_due(self) -> float | None:
        """When the next look is due, None if there is no further one."""
        if self._asked_now:
            return self._now()
        return next_look(
            self._now(),
            ended_at=self.ended_at,
            deadline=self.outcome.ends_by,
            looked_at=self._looked_at,
            empty_since=self.outcome.empty_since or None,
            waited_for=self.turn is not None,
        )

    def begin_look(self) -> bool:
        """A look begins; returns whether it is a wide one."""
        self._asked_now = False
        self._looked_at = now = self._now()
        self.outcome.looks += 1
        self.outcome.looked_at = now
        return is_wide(now, self.ended_at)

    def judge(self, look: Look, key: bytes) -> LookVerdict:
        """Draw what follows from a look."""
        outcome = self.outcome
        empty_since = outcome.empty_since or None
        compared = outcome.subject.compared
        if self._for_person:
            look = look._replace(misses=False)
        found = judge_look(look, compared, key, ended_at=self.ended_at, empty_since=empty_since)
        outcome.empty_since = found.empty_since or 0.0
        if found.verdict is not LookVerdict.OPEN:
            self.decide(found)
        return found.verdict

    def decide(self, judgement: Judgement) -> None:
        """Nothing more is to be learned."""
        self.judgement = judgement
        self._decided.set()
        self._changed.set()
        if judgement.verdict is LookVerdict.FOUND and self.on_found is not None:
            self.on_found()

    async def wait_until(self, moment: float) -> None:
        """Wait until then, or until something changes."""
        try:
            async with asyncio.timeout(max(0.0, moment - self._now())):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    async def decision(self, deadline: float) -> Judgement:
        """The judgement once there is one, or `UNDECIDED` at the `deadline` (the loop's clock)."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._decided.wait()
        except TimeoutError:
            pass
        return self.judgement


class Interruption:
    """Ends its block from another task, as `asyncio.timeout` does at a time; the block is left quietly.

    `happened` says afterwards whether it did.
    """

    def __init__(self) -> None:
        self.happened = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> "Interruption":
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        task, self._task = self._task, None
        assert task is not None
        if not self.happened:
            return False
        was_ours = task.uncancel() <= self._cancelling
        return was_ours and kind is not None and issubclass(kind, asyncio.CancelledError)

    def interrupt(self) -> None:
        """Interrupt the block, unless it has ended. To be called by another task."""
        if self._task is not None and not self.happened:
            self.happened = True
            self._task.cancel()
