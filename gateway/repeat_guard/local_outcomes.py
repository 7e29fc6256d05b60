"""Open outcomes of one process, without a store: `OpenOutcomes` in memory, over the table of intents.

There is no other replica, so nothing is ever taken over; a process that ends forgets. Knows nothing of
requests.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from gateway.repeat_guard.open_outcomes import (
    KEPT_SECONDS,
    SID_SECONDS,
    Comparison,
    OpenOutcome,
    OutcomeState,
)
from gateway.repeat_guard.repeat_rules import RepeatEnding
from gateway.repeat_guard.repeat_table import RepeatTable


class LocalOutcomes:
    """`now` gives seconds since the epoch. The oldest go over `max_entries`, SIDs and outcomes each."""

    def __init__(self, table: RepeatTable, max_entries: int, now: Callable[[], float]) -> None:
        self.max_entries = max_entries
        self.now = now
        self._table = table
        self._flying: dict[str, OpenOutcome] = {}
        self._ended: OrderedDict[str, OpenOutcome] = OrderedDict()
        self._ours: set[str] = set()
        self._sids: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ended)

    def enter(self, outcome: OpenOutcome) -> None:
        """A create is about to be sent."""
        self._flying[outcome.id] = outcome

    def end(self, outcome: OpenOutcome) -> None:
        """It has ended open; this process looks after it."""
        self._flying.pop(outcome.id, None)
        self._ended[outcome.id] = outcome
        self._ours.add(outcome.id)
        self._prune()

    def drop(self, outcome: OpenOutcome, sid: str = "") -> None:
        """It has a definite answer, which made `sid`, or was not sent."""
        self._forget(outcome.id)
        if sid:
            self._own(outcome.subject.account, sid)

    async def take_over(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """What this process has let go of: its credential may ask again since."""
        found: list[OpenOutcome] = []
        for each in self._ended.values():
            if len(found) >= most:
                break
            if each.id in self._ours or each.subject.account not in accounts:
                continue
            if each.state is OutcomeState.OPEN:
                self._ours.add(each.id)
                found.append(each)
        return found

    async def take(self, account: str, id_: str) -> OpenOutcome | None:
        """One outcome, unless it is being looked at."""
        found = self._ended.get(id_)
        if found is None or found.subject.account != account:
            return None
        if found.state is OutcomeState.OPEN and id_ in self._ours:
            return None
        self._ours.add(id_)
        return found

    async def keep(self, outcome: OpenOutcome) -> bool:
        """Whether it is still here to be looked at."""
        return outcome.id in self._ours

    async def release(self, outcome: OpenOutcome) -> None:
        """Nobody looks at it now."""
        self._ours.discard(outcome.id)

    async def resolve(self, outcome: OpenOutcome, state: OutcomeState, *, sid: str = "") -> bool:
        """End it, and tell the intent."""
        if not await self.keep(outcome):
            return False
        outcome.state = state
        entry = self._table.find(outcome.scope)
        if state is OutcomeState.UNKNOWN:
            self._ours.discard(outcome.id)
            if entry is not None and entry.outcome is outcome:
                entry.wake()
            return True
        outcome.sid = sid
        self.drop(outcome, sid)
        if entry is None or entry.ending is None or entry.outcome is not outcome:
            return True  # its seconds are over, or its request is still here and ends it itself
        if state is OutcomeState.ABSENT:
            self._table.forget(outcome.scope, entry)
        else:
            entry.found_sid = sid
            self._table.keep(outcome.scope, entry, RepeatEnding.DEFINITE)
        return True

    async def compare(self, outcome: OpenOutcome, sids: Sequence[str]) -> Comparison:
        """Nothing else happens between the two questions."""
        self._prune()
        account, to = outcome.subject.account, outcome.subject.to
        unowned = tuple(sid for sid in sids if (account, sid) not in self._sids)
        others = sum(
            each.id != outcome.id and each.subject.account == account and each.subject.to == to
            for each in (*self._flying.values(), *self._ended.values())
        )
        return Comparison(unowned, others)

    async def own(self, account: str, sid: str) -> None:
        """Remember a SID that this gateway created."""
        self._own(account, sid)

    async def listed(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """Open and unknown ones, in the order in which they ended."""
        self._prune()
        found = [each for each in self._ended.values() if each.subject.account in accounts]
        return found[:most]

    def _own(self, account: str, sid: str) -> None:
        self._sids[account, sid] = self.now()
        while len(self._sids) > self.max_entries:
            self._sids.popitem(last=False)

    def _forget(self, id_: str) -> None:
        self._flying.pop(id_, None)
        self._ended.pop(id_, None)
        self._ours.discard(id_)

    def _prune(self) -> None:
        now = self.now()
        while self._sids and now - next(iter(self._sids.values())) > SID_SECONDS:
            self._sids.popitem(last=False)
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if now - oldest.ended_at <= KEPT_SECONDS and len(self._ended) <= self.max_entries:
                return
            self._forget(oldest.id)
