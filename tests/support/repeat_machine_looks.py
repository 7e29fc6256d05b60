"""Looks at Twilio for the state machines of the repeat guard.

Twilio commits up to 8 s after an attempt ended, its lists lag by up to 5 s, and it may alter what it keeps.
"""

import asyncio
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.errors import UpstreamFailure
from gateway.http.response import Response
from gateway.outcome_resolution.asked_send import absent_error
from gateway.outcome_resolution.listed_resources import Candidate
from gateway.outcome_resolution.look_verdict import LookVerdict
from gateway.outcome_resolution.pursuit import GIVEN_UP
from gateway.policy.comparable_fields import digest_comparable
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState
from gateway.repeat_guard.repeat_hold import RepeatHold
from tests.support.repeat_guard import ASKING, SUBJECT, created
from tests.support.repeat_machine_calls import MADE, NOT_MADE, ClientCall, RepeatingClient
from tests.support.repeat_machine_searches import KEY, LONGEST_LAG, Attempt, SearchingMachine

LATEST_COMMIT = 8
_TEXT = {"body": "atext"}
_OTHER = {"body": "another"}
_KEPT_SECONDS = 3600.0
_LOST = "lost"


class LookingMachine(SearchingMachine):
    """Creates about which Twilio can be asked, all to one recipient and with one text, of two consumers."""

    def intent(self, scope: str) -> RepeatIntent:
        return ASKING._replace(scope=scope, seconds=_KEPT_SECONDS)

    def subject(self, scope: str) -> CreateSubject:
        return SUBJECT._replace(compared=digest_comparable(_TEXT, KEY))

    # ── a request

    async def _answer_of(self, call: ClientCall, hold: RepeatHold) -> Response:
        if hold.found:
            return created(hold.found)
        if hold.shared is not None:
            return hold.shared
        call.outcome = outcome = hold.outcome
        assert outcome is not None
        attempt = self.attempts[outcome.id] = Attempt()
        how = await self._send(call)
        call.in_doubt = how not in ("unreachable", "refused")
        ended = created(attempt.sid) if how == "201" else (MADE | NOT_MADE)[how]()
        is_response = isinstance(ended, Response)
        if is_response and ended.status < 500:
            attempt.is_known = not call.is_dead
            hold.answered(ended, attempt.sid)
            return created(attempt.sid) if how == "201" else ended
        if not (is_response or how.startswith(_LOST)) or call.is_dead:
            raise ended if isinstance(ended, BaseException) else asyncio.CancelledError
        return await self._ask(call, hold, outcome, ended)

    async def _ask(
        self, call: ClientCall, hold: RepeatHold, outcome: OpenOutcome, ended: Response | UpstreamFailure
    ) -> Response:
        """Wait for looks, as `AskedSend` does."""
        outcome.ended_at, outcome.state = self.now, OutcomeState.OPEN
        search = self._search_of(call.replica, outcome)
        search.call = call
        judged = self.asking[call] = self.loop.create_future()
        if search.pursuit.is_decided:  # found while the attempt was in flight
            judged.set_result(search.pursuit.judgement)
        try:
            verdict, sid, _ = await judged
        finally:
            del self.asking[call]
        if verdict is LookVerdict.FOUND:
            self._drop(search)
            self.attempts[outcome.id].is_known = True
            answer = created(sid)
            hold.answered(answer, sid)
            return answer
        if verdict is LookVerdict.ABSENT:
            self._drop(search)
            self._require_absent(outcome)
            hold.absent()
        if isinstance(ended, Response):
            hold.answered(ended)
            return ended
        raise absent_error() if verdict is LookVerdict.ABSENT else ended

    def _told(self, caller: RepeatingClient, answer: Response) -> None:
        super()._told(caller, answer)
        if answer.status == 201:
            sid = (answer.body or b"").split(b'"')[3].decode()
            assert self.forgot or sid not in self.told_sids, "two callers were told of one message"
            self.told_sids.append(sid)

    def _ended_as(self, call: ClientCall, how: str) -> str:
        attempt = self._attempt_of(call)
        if attempt.sid and how not in MADE:
            return "lost after it was done"
        if how in MADE and not attempt.sid:
            self._commit(attempt, self.now, _TEXT)
        return how

    def _attempt_of(self, call: ClientCall) -> Attempt:
        assert call.outcome is not None
        return self.attempts[call.outcome.id]

    def _commit(self, attempt: Attempt, at: float, shown: Mapping[str, str]) -> None:
        self.commits += 1
        attempt.sid, attempt.commits_at, attempt.shown = f"SM{self.commits}", at, shown

    def _leave(self, call: ClientCall) -> None:
        """A create that is looked for goes on without its caller."""
        if call not in self.asking or call.is_dead:
            super()._leave(call)
            return
        call.connected = False
        call.caller.call = None

    # ── what Twilio does

    @precondition(lambda self: not self.calm and self._on_their_way())
    @rule(
        data=st.data(),
        later=st.integers(0, LATEST_COMMIT),
        shown=st.sampled_from(["as it is", "as it is", "redacted", "rewritten"]),
    )
    def it_breaks_and_is_done_later(self, data: st.DataObject, later: int, shown: str) -> None:
        """Twilio goes on with what it has read, and may alter it."""
        altered = {"as it is": _TEXT, "redacted": {}, "rewritten": _OTHER}[shown]
        self._break(data.draw(st.sampled_from(self._on_their_way()), label="which"), later, altered)

    def _break(self, call: ClientCall, later: float = 0, shown: Mapping[str, str] = _TEXT) -> None:
        self.faulted = True
        assert call.end is not None
        if not self._attempt_of(call).sid:
            self._commit(self._attempt_of(call), self.now + later, shown)
        call.end.set_result("lost after it was done")
        self._turn()

    @precondition(lambda self: not self.calm and self._on_their_way())
    @rule(data=st.data())
    def it_is_done_before_its_answer(self, data: st.DataObject) -> None:
        """The answer follows, or not."""
        call = data.draw(st.sampled_from(self._on_their_way()), label="which")
        if not self._attempt_of(call).sid:
            self._commit(self._attempt_of(call), self.now, _TEXT)

    @precondition(lambda self: not self.calm)
    @rule()
    def another_program_sends_to_this_recipient(self) -> None:
        """Another text, from the same account."""
        self.faulted = True
        sid = f"SMother{len(self.others)}"
        self.others.append((self.now, Candidate(sid, self.now, _OTHER, exact=True, to_matches=True)))

    @precondition(lambda self: not self.calm)
    @rule(seconds=st.sampled_from([1, 2, 5, 15, 20]))
    def time_passes(self, seconds: int) -> None:
        """Live replicas keep their leases meanwhile."""
        self.faulted = True
        self.now += seconds
        self._keep_leases()
        self._turn()

    @precondition(lambda self: self.searches)
    @rule(lags=st.lists(st.integers(0, LONGEST_LAG), min_size=3, max_size=3))
    def looks_go_on_for_half_a_minute(self, lags: list[int]) -> None:
        """By then nearly all is known."""
        self.faulted = True
        for number in range(12):
            self.now += 2.5
            self._keep_leases()
            for search in list(self.searches):
                self._look(search, lags[number % len(lags)])
            self._turn()

    def _keep_leases(self) -> None:
        """In one process there are none."""

    async def _go_on(self) -> None:
        """Time passes, and looks are made, until all is known or is given up."""
        await super()._go_on()
        self.now += 2.5
        for search in list(self.searches):
            if search.look is None and not search.pursuit.is_decided:
                self._begin_look(search, 0)
            if search.look is not None:
                await self._end_look(search)
            ended_at = search.pursuit.ended_at
            if ended_at and self.now > ended_at + 60 and not search.pursuit.is_decided:
                search.pursuit.decide(GIVEN_UP)
                await self._decided(search)
        for search in list(self.unwritten):
            await self._resolve(search)
