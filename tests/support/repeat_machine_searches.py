"""What looks find, for the state machines of the repeat guard.

It is judged by the gateway's own rules (`Pursuit`), and entered by its own outcomes. When a look is made, and
what Twilio's list shows of it then, the machine decides.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.outcome_resolution.listed_resources import SLACK_SECONDS, Candidate
from gateway.outcome_resolution.look_verdict import Judgement, LookVerdict
from gateway.outcome_resolution.pursuit import GIVEN_UP, Pursuit
from gateway.outcome_resolution.twilio_looks import compare_candidates
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState
from gateway.repeat_guard.repeat_guard import RepeatGuard
from tests.support.repeat_machine import RepeatMachine
from tests.support.repeat_machine_calls import ClientCall

LONGEST_LAG = 5
KEY = b"k" * 32
_STATES = {
    LookVerdict.FOUND: OutcomeState.FOUND,
    LookVerdict.ABSENT: OutcomeState.ABSENT,
    LookVerdict.FAILED: OutcomeState.UNKNOWN,
}


@dataclass
class Attempt:
    """One send. `sid` is that of the message that it makes, from `commits_at` on; '' if it makes none."""

    sid: str = ""
    commits_at: float = 0.0
    shown: Mapping[str, str] = field(default_factory=dict)
    is_known: bool = False
    """Whether the gateway knows what it has made."""


@dataclass
class Search:
    """An outcome that a replica looks for; `call` is that of the caller who waits. `look` is one under way:
    what it has read, and what is left of that is asked afterwards.
    """

    pursuit: Pursuit
    replica: int
    call: ClientCall | None = None
    look: tuple[float, bool, list[Candidate]] | None = None


class SearchingMachine(RepeatMachine):
    """What is looked for, by which replica."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.others: list[tuple[float, Candidate]] = []
        self.searches: list[Search] = []
        self.unwritten: list[Search] = []
        self.asking: dict[ClientCall, asyncio.Future[Judgement]] = {}
        self.told_sids: list[str] = []
        self.commits = 0
        super().__init__()
        self.now = time.time()
        for which in range(self.replicas):
            self._watch(which, self.guards[which])

    def _watch(self, which: int, guard: RepeatGuard) -> None:
        guard.set_on_open(lambda outcome: self._opened(which, outcome))

    def _look(self, search: Search, lag: float) -> None:
        if search.look is None and not search.pursuit.is_decided:
            self._begin_look(search, lag)
        if search.look is not None:
            self.loop.run_until_complete(self._end_look(search))

    def _search_of(self, replica: int, outcome: OpenOutcome) -> Search:
        for each in self.searches:
            if each.pursuit.outcome is outcome and each.replica == replica:
                return each
        search = Search(Pursuit(outcome, lambda: self.now), replica)
        self.searches.append(search)
        return search

    def _drop(self, search: Search) -> None:
        if search in self.searches:
            self.searches.remove(search)

    def _opened(self, replica: int, outcome: OpenOutcome) -> None:
        """A create has ended open: it is looked for in the background."""
        search = self._search_of(replica, outcome)
        search.call = None
        if search.pursuit.is_decided:
            self._drop(search)
            self.unwritten.append(search)

    def _calls_to_look_for(self) -> list[ClientCall]:
        """Attempts whose answer is late."""
        looked = [each.pursuit.outcome for each in self.searches]
        return [each for each in self._on_their_way() if all(each.outcome is not one for one in looked)]

    @precondition(lambda self: not self.calm and self._calls_to_look_for())
    @rule(data=st.data())
    def an_answer_is_late(self, data: st.DataObject) -> None:
        """It is looked for while it is in flight."""
        call = data.draw(st.sampled_from(self._calls_to_look_for()), label="which")
        assert call.outcome is not None
        self._search_of(call.replica, call.outcome).call = call

    def _lookable(self) -> list[Search]:
        return [each for each in self.searches if each.look is None and not each.pursuit.is_decided]

    @precondition(lambda self: self._lookable())
    @rule(data=st.data(), lag=st.integers(0, LONGEST_LAG))
    def a_look_begins(self, data: st.DataObject, lag: int) -> None:
        """It reads the list as it is now, or as it was some seconds ago."""
        self._begin_look(data.draw(st.sampled_from(self._lookable()), label="which"), lag)

    def _begin_look(self, search: Search, lag: float) -> None:
        since = search.pursuit.outcome.started_at - SLACK_SECONDS
        listed = [
            Candidate(each.sid, each.commits_at, each.shown, exact=True, to_matches=True)
            for each in self.attempts.values()
            if each.sid and since <= each.commits_at <= self.now - lag
        ]
        listed += [each for at, each in self.others if since <= at <= self.now - lag]
        search.look = (self.now, search.pursuit.begin_look(), listed)

    def _looking(self) -> list[Search]:
        return [each for each in self.searches if each.look is not None]

    @precondition(lambda self: self._looking())
    @rule(data=st.data())
    def a_look_ends(self, data: st.DataObject) -> None:
        """Whose the messages are is asked after the list was read."""
        self.loop.run_until_complete(
            self._end_look(data.draw(st.sampled_from(self._looking()), label="which"))
        )
        self._turn()

    async def _end_look(self, search: Search) -> None:
        assert search.look is not None
        (started_at, wide, listed), search.look = search.look, None
        outcome, outcomes = search.pursuit.outcome, self.guards[search.replica].outcomes
        candidates = {each.sid: each for each in listed}
        try:
            look = await compare_candidates(outcomes, outcome, started_at, wide, candidates)
        except StoreUnavailable:
            return
        if search.pursuit.judge(look, KEY) is not LookVerdict.OPEN:
            await self._decided(search)
        elif search.call is None:
            await self._keep_or_drop(search)

    async def _keep_or_drop(self, search: Search) -> None:
        try:
            if not await self.guards[search.replica].outcomes.keep(search.pursuit.outcome):
                self._drop(search)
        except StoreUnavailable:
            return

    async def _decided(self, search: Search) -> None:
        call, judgement = search.call, search.pursuit.judgement
        if call is None:
            self._drop(search)
            self.unwritten.append(search)
            await self._resolve(search)
        elif call in self.asking:
            if not self.asking[call].done():
                self.asking[call].set_result(judgement)
        elif call.end is not None and not call.end.done():
            call.end.set_result("lost after it was done")  # found: the attempt is ended

    async def _resolve(self, search: Search) -> None:
        """Enter what was found out."""
        outcome, (verdict, sid, _) = search.pursuit.outcome, search.pursuit.judgement
        state = _STATES[verdict]
        try:
            if await self.guards[search.replica].outcomes.resolve(outcome, state, sid=sid):
                self._resolved(outcome, state, sid)
        except StoreUnavailable:
            return
        self.unwritten.remove(search)

    def _resolved(self, outcome: OpenOutcome, state: OutcomeState, sid: str) -> None:
        attempt = self.attempts[outcome.id]
        if state is OutcomeState.ABSENT:
            self._require_absent(outcome)
        elif state is OutcomeState.FOUND:
            assert self.forgot or attempt.sid == sid, "another's message was taken for it"
            attempt.is_known = True

    def _require_absent(self, outcome: OpenOutcome) -> None:
        attempt = self.attempts[outcome.id]
        assert self.forgot or attempt.is_known or not attempt.sid, "absent, and yet it was made"

    @precondition(lambda self: self.unwritten)
    @rule(data=st.data())
    def an_end_is_written_again(self, data: st.DataObject) -> None:
        """What the store did not take is sent again."""
        search = data.draw(st.sampled_from(self.unwritten), label="which")
        self.loop.run_until_complete(self._resolve(search))
        self._turn()

    @precondition(lambda self: any(not each.done() for each in self.asking.values()))
    @rule(data=st.data())
    def a_deadline_passes(self, data: st.DataObject) -> None:
        """The caller gets an unknown outcome."""
        waiting = [call for call, judged in self.asking.items() if not judged.done()]
        self._give_up(data.draw(st.sampled_from(waiting), label="which"))

    def _give_up(self, call: ClientCall) -> None:
        self.asking[call].set_result(GIVEN_UP)
        self._turn()
