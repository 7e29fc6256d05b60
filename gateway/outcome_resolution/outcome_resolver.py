"""Asks Twilio about open outcomes: for a caller that waits, and afterwards in the background.

Each is looked for by one task, by the schedule of `look_schedule.py`; what follows from a look is decided in
`look_verdict.py`. In the background looks are few: a twentieth of the account's limit, behind all traffic. A
lease makes sure that one replica looks; what a replica leaves behind is taken over.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.consumers.consumer import Priority
from gateway.exchange import Exchange
from gateway.http.response import Response
from gateway.outcome_resolution.background_share import BackgroundShare
from gateway.outcome_resolution.look_verdict import LookVerdict
from gateway.outcome_resolution.pursuit import CANNOT_ASK, GIVEN_UP, Pursuit
from gateway.outcome_resolution.twilio_looks import Access, Turn, TwilioLooks, access_to
from gateway.policy.repeat_intent import CreateSubject
from gateway.policy.snapshot import Snapshot
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.open_outcomes import LEASE_SECONDS, OpenOutcome, OpenOutcomes, OutcomeState
from gateway.upstream.account_reader import AccountReader

_OWN: Final = "(gateway)"
_RENEW_SECONDS: Final = LEASE_SECONDS / 3
_MAX_TAKEN_AT_ONCE: Final = 200
_AWAY_SECONDS: Final = 1.0
"""How long to wait before asking again whether Twilio, or the store, can be reached."""
_PERSON_SECONDS: Final = 5.0
"""How long a person waits: two looks that show that Twilio does not have it take two."""
_BACKGROUND_SECONDS: Final = 30.0
"""How long a look in the background may take."""


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """`holds_absent`: a repeat is not sent even if Twilio does not have the first. `resends_absent`: the
    gateway sends it again itself."""

    holds_absent: bool = False
    resends_absent: bool = False


class OutcomeResolver:
    """One per process, used on the data loop. `snapshot` gives the active configuration."""

    def __init__(
        self,
        options: ResolverOptions,
        outcomes: OpenOutcomes,
        reader: AccountReader,
        snapshot: Callable[[], Snapshot],
        loops: BackgroundLoops,
    ) -> None:
        self.options = options
        self.outcomes = outcomes
        self.looks: Counter[LookVerdict] = Counter()
        """Looks by what followed from each."""
        self.resolved: Counter[OutcomeState] = Counter()
        """Outcomes that were asked about, by how that ended."""
        self._reader = reader
        self._looks = TwilioLooks(reader, outcomes)
        self._snapshot = snapshot
        self._loops = loops
        self._pursuits: dict[str, Pursuit] = {}
        self._share = BackgroundShare()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pursued(self) -> int:
        """How many outcomes this replica asks about."""
        return len(self._pursuits)

    def pursuits_of(self, account: str) -> list[Pursuit]:
        """What is looked for at an account."""
        return [each for each in self._pursuits.values() if each.outcome.subject.account == account]

    def pursued_accounts(self) -> set[str]:
        """The SIDs of the accounts at which something is looked for."""
        return {each.outcome.subject.account for each in self._pursuits.values()}

    def start(self) -> None:
        """Begin to renew leases, and to take over what other replicas have left."""
        self._keeping = self._loops.start("outcome_resolution", 2 * _RENEW_SECONDS, self._keep_leases)

    async def close(self) -> None:
        """Stop looking, and leave what is open to other replicas."""
        pursuits, self._pursuits = list(self._pursuits.values()), {}
        tasks = [each.task for each in pursuits if each.task is not None]
        if self._keeping is not None:
            tasks.append(self._keeping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._release(each.outcome) for each in pursuits if each.ended_at))

    def pursue(self, outcome: OpenOutcome, turn: Turn, exchange: Exchange) -> Pursuit:
        """Look for a create whose caller waits. `leave` it, or have the guard say that it is open."""
        pursuit = Pursuit(outcome, self.outcomes.now)
        pursuit.turn, pursuit.exchange = turn, exchange
        self._begin(pursuit)
        return pursuit

    def leave(self, pursuit: Pursuit) -> None:
        """The create has a definite end, which its own request tells."""
        if self._pursuits.get(pursuit.outcome.id) is pursuit:
            del self._pursuits[pursuit.outcome.id]
        if pursuit.task is not None:
            pursuit.task.cancel()

    def count_end(self, state: OutcomeState) -> None:
        """An outcome that was asked about has come to its end."""
        self.resolved[state] += 1

    def on_open(self, outcome: OpenOutcome) -> None:
        """A create has ended open, and no caller waits for it: continue in the background."""
        pursuit = self._pursuits.get(outcome.id)
        if pursuit is None:
            if outcome.subject.asks:
                self._begin(Pursuit(outcome, self.outcomes.now))
            return
        pursuit.turn = pursuit.exchange = pursuit.on_found = None
        pursuit.changed()
        if pursuit.is_decided and (pursuit.task is None or pursuit.task.done()):
            self._begin(pursuit)

    async def resolve_now(self, account: str, id_: str) -> OpenOutcome | None:
        """Ask again about one outcome, for a person; None if it is unknown here, or another replica has it.

        Returns once its end is known, or after some seconds with what is known then.
        """
        pursuit = self._pursuits.get(id_)
        if pursuit is None:
            outcome = await self.outcomes.take(account, id_)
            if outcome is None:
                return None
            outcome.state = OutcomeState.OPEN
            pursuit = Pursuit(outcome, self.outcomes.now)
            self._begin(pursuit)
        pursuit.look_now()
        if pursuit.task is not None:
            await asyncio.wait({pursuit.task}, timeout=_PERSON_SECONDS)
        return pursuit.outcome

    async def listed(self, most: int) -> list[OpenOutcome]:
        """Outcomes that are open or unknown, of all replicas, the oldest first. Raises `StoreUnavailable`."""
        accounts = frozenset(sid for each in self._snapshot().credentials.values() for sid in each.sids)
        return await self.outcomes.listed(accounts, most)

    async def fetch(self, subject: CreateSubject, sid: str, target: str, turn: Turn) -> Response | None:
        """What a create has made, as the answer to it in the format of `target`; None if it cannot be read by
        the turn's deadline."""
        loop = asyncio.get_running_loop()
        access = access_to(self._snapshot(), subject)
        while access is not None:
            answer = await self._looks.fetch(access, sid, target, turn)
            if answer is not None or loop.time() + _AWAY_SECONDS >= turn.deadline:
                return answer
            await asyncio.sleep(_AWAY_SECONDS)
        return None

    def _begin(self, pursuit: Pursuit) -> None:
        self._pursuits[pursuit.outcome.id] = pursuit
        pursuit.task = asyncio.create_task(self._supervise(pursuit))

    async def _supervise(self, pursuit: Pursuit) -> None:
        """Look to the end. An internal error is reported, and the outcome left to its lease."""
        try:
            await self._run(pursuit)
        except Exception as error:  # noqa: BLE001 - reported, as a background loop's is
            self._pursuits.pop(pursuit.outcome.id, None)
            self._loops.on_failure("outcome_resolution", error)

    async def _run(self, pursuit: Pursuit) -> None:
        while not pursuit.is_decided:
            due = pursuit.next_due()
            if due is None:
                pursuit.decide(GIVEN_UP)
            elif due > self.outcomes.now():
                await pursuit.wait_until(due)
            elif not await self._look(pursuit):
                self._pursuits.pop(pursuit.outcome.id, None)
                return
        if pursuit.turn is None:  # else its caller takes the judgement
            await self._settle(pursuit)

    async def _look(self, pursuit: Pursuit) -> bool:
        """Look once, if that is possible now. False: it is another replica's to look."""
        outcome, snapshot = pursuit.outcome, self._snapshot()
        access = access_to(snapshot, outcome.subject)
        if access is None:
            if pursuit.turn is None and outcome.subject.account not in asking_accounts(snapshot):
                await self._release(outcome)  # one with another configuration may
                return False
            pursuit.decide(CANNOT_ASK)
        elif self._reader.is_away(access.host):
            await pursuit.wait_until(self.outcomes.now() + _AWAY_SECONDS)
        elif pursuit.turn is not None:
            await self._look_in_turn(pursuit, access, pursuit.turn)
        else:
            limit = self._reader.limit_of(access.account, access.region)
            async with self._share.place(access.account.sid, limit):
                deadline = asyncio.get_running_loop().time() + _BACKGROUND_SECONDS
                await self._look_in_turn(pursuit, access, Turn(_OWN, Priority.LOW, deadline))
            return await self._keep(outcome)
        return True

    async def _look_in_turn(self, pursuit: Pursuit, access: Access, turn: Turn) -> None:
        began = time.perf_counter()
        wide = pursuit.begin_look()
        report = await self._looks.look(pursuit.outcome, access, turn, wide=wide)
        verdict = report.verdict
        if report.look is not None:
            verdict = pursuit.judge(report.look, pursuit.outcome.subject.digest_key or access.digest_key)
        elif verdict is LookVerdict.REFUSED:
            pursuit.decide(CANNOT_ASK)
        self.looks[verdict] += 1
        if pursuit.exchange is not None:
            pursuit.exchange.record_look(began, time.perf_counter(), report.status, verdict)

    async def _settle(self, pursuit: Pursuit) -> None:
        """Write the outcome's end, as soon as the store takes it."""
        outcome, (verdict, sid, _) = pursuit.outcome, pursuit.judgement
        state = _STATES[verdict]
        if state is OutcomeState.ABSENT and self.options.holds_absent:
            state = OutcomeState.UNKNOWN
        while True:
            try:
                await self.outcomes.resolve(outcome, state, sid=sid)
                break
            except StoreUnavailable:
                await asyncio.sleep(_AWAY_SECONDS)
        self.count_end(_STATES[verdict])
        self._pursuits.pop(outcome.id, None)

    async def _keep_leases(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            pursued = [each for each in self._pursuits.values() if each.ended_at and each.turn is None]
            await asyncio.gather(*(self._keep(each.outcome) for each in pursued))
            await self._take_over()
            loop.beat()

    async def _take_over(self) -> None:
        accounts = asking_accounts(self._snapshot())
        if not accounts:
            return
        try:
            found = await self.outcomes.take_over(accounts, _MAX_TAKEN_AT_ONCE)
        except StoreUnavailable:
            return
        for outcome in found:
            self._begin(Pursuit(outcome, self.outcomes.now))

    async def _keep(self, outcome: OpenOutcome) -> bool:
        """Renew a lease; False if it is another replica's by now."""
        try:
            return await self.outcomes.keep(outcome)
        except StoreUnavailable:
            return True

    async def _release(self, outcome: OpenOutcome) -> None:
        with suppress(StoreUnavailable):  # its lease ends by itself
            await self.outcomes.release(outcome)


_STATES: Final = {
    LookVerdict.FOUND: OutcomeState.FOUND,
    LookVerdict.ABSENT: OutcomeState.ABSENT,
    LookVerdict.FAILED: OutcomeState.UNKNOWN,
    LookVerdict.REFUSED: OutcomeState.UNKNOWN,
}


def asking_accounts(snapshot: Snapshot) -> frozenset[str]:
    """The SIDs of the accounts at which Twilio is asked."""
    return frozenset(sid for each in snapshot.credentials.values() if each.asks for sid in each.sids)
