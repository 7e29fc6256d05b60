"""As `test_repeat_guard_machine.py`, where Twilio can be asked: never more than one message an intention.

Lists lag, Twilio commits late and alters what it keeps, another program sends to the same recipient. In one
process, and over Redis between two replicas that take over what the other has left, whose words to the store
may come late and in another order, and whose store may forget.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from gateway.outcome_resolution.pursuit import Pursuit
from gateway.redis.availability import StoreUnavailable
from tests.support.redis import redis_server
from tests.support.repeat_guard import ACCOUNT
from tests.support.repeat_machine_calls import SCOPES
from tests.support.repeat_machine_looks import LookingMachine
from tests.support.repeat_machine_redis import BASE, RUNNING, LateWords, RedisMachine
from tests.support.repeat_machine_searches import Search


@pytest.fixture(scope="module", autouse=True)
def _redis() -> Iterator[None]:
    with redis_server() as server:
        RUNNING.append(server)
        yield
        RUNNING.clear()


class AskingReplicas(LookingMachine, RedisMachine):
    """Two replicas that ask Twilio. A lease is a replica's while it is heard of."""

    def _clock(self, store: LateWords) -> Callable[[], float]:
        return lambda: self.now

    def _replaced(self, which: int) -> None:
        self.searches = [each for each in self.searches if each.replica != which]
        self.unwritten = [each for each in self.unwritten if each.replica != which]
        self._watch(which, self.guards[which])

    def _keep_leases(self) -> None:
        for store in self.stores:
            store.faults.clear()

        async def keep() -> None:
            for which in range(self.replicas):
                shared = self._shared(which)
                for lease in list(shared._held.values()):
                    await shared._renew(lease)
            for search in list(self.searches):
                if search.call is None:
                    await self._keep_or_drop(search)

        self.loop.run_until_complete(keep())

    def _leased(self) -> list[str]:
        """What the store has a lease of, in the order of the sends."""
        leased = {id_.decode() for id_ in RUNNING[0].client.zrange(f"{BASE}:leases", 0, -1)}
        return [id_ for id_ in self.attempts if id_ in leased]

    @precondition(lambda self: not self.calm and self._leased())
    @rule(data=st.data(), which=st.integers(0, 1))
    def another_takes_over(self, data: st.DataObject, which: int) -> None:
        """What a replica was not heard of in time; it may be alive nevertheless."""
        self.faulted = True
        leased = self._leased()
        id_ = leased[data.draw(st.integers(0, len(leased) - 1), label="what")]
        self.loop.run_until_complete(self._take_over(which, id_))
        self._turn()

    async def _take_over(self, which: int, id_: str) -> None:
        client = RUNNING[0].client
        lapsed = client.time()[0] * 1000 - 1
        client.zadd(f"{BASE}:leases", {id_: lapsed})
        for scope in SCOPES:
            name = f"{BASE}:intent:{scope}"
            if client.hget(name, "id") == id_.encode() and client.hget(name, "state") == b"flight":
                client.hset(name, "lease", 1)
        try:
            found = await self.guards[which].outcomes.take_over([ACCOUNT], 10)
        except StoreUnavailable:
            return
        for outcome in found:
            if outcome.ended_at == lapsed / 1000:  # it was in flight: by then it has ended
                outcome.ended_at = self.now
            self.searches.append(Search(Pursuit(outcome, lambda: self.now), which))

    @initialize(forgets=st.integers(0, 3))
    def choose_store(self, forgets: int) -> None:
        """In a quarter of the runs it forgets; there less can be asked for."""
        self.forgets = forgets == 0

    @precondition(lambda self: self.forgets and not self.calm)
    @rule(scope=st.sampled_from([*SCOPES, ""]))
    def the_store_forgets(self, scope: str) -> None:
        """FLUSHALL, or one intent is evicted: what is meant by now is meant anew, and nobody stays locked."""
        self.faulted = self.forgot = True
        if scope:
            RUNNING[0].client.delete(f"{BASE}:intent:{scope}")
        else:
            RUNNING[0].client.flushall()
        self._forget()

    async def _go_on(self) -> None:
        """What a killed replica has left is taken over."""
        await super()._go_on()
        underway = {each.outcome.id for each in self._on_their_way() if each.outcome}
        underway |= {each.pursuit.outcome.id for each in self.searches}
        for id_ in self._leased():
            if id_ not in underway:
                await self._take_over(0, id_)


TestOneProcess = LookingMachine.TestCase
TestOneProcess.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestReplicas = AskingReplicas.TestCase
TestReplicas.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def _asking() -> AskingReplicas:
    machine = AskingReplicas()
    machine.choose(calm=False)
    machine.choose_store(forgets=1)
    machine.intend(scope=SCOPES[0], replica=0)
    return machine


def test_a_late_word_does_not_undo_what_a_look_has_found() -> None:
    """The store hears that it ended open only after its message was found, which is owned by then."""
    machine = _asking()
    machine._break(machine.calls[0])
    machine.stores[0].faults.append("late")
    machine._give_up(machine.calls[0])
    machine.looks_go_on_for_half_a_minute([0])
    assert [each.is_known for each in machine.attempts.values()] == [True]
    machine.stores[0].arrive(0)
    machine._turn()
    for id_ in machine._leased():
        machine.loop.run_until_complete(machine._take_over(1, id_))
    if machine.searches:
        machine.looks_go_on_for_half_a_minute([0])
    machine._start(machine.callers[0], 1)
    machine._turn()
    machine.teardown()
    assert machine.made == {SCOPES[0]: 1}
    assert machine.callers[0].done


def test_a_replica_that_was_not_heard_of_takes_back_what_it_has_in_flight() -> None:
    """Redis was away for longer than a lease: another looks for a create whose attempt has not ended."""
    machine = _asking()
    machine._leave(machine.calls[0])
    (id_,) = machine._leased()
    machine.loop.run_until_complete(machine._take_over(1, id_))
    (search,) = machine.searches
    assert search.replica == 1
    while search in machine.searches:
        machine.time_passes(2)
        machine._look(search, 0)
    machine._start(machine.callers[0], 1)
    machine._turn()
    machine.teardown()
    assert machine.made == {SCOPES[0]: 1}
