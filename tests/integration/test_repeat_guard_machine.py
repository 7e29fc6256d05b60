"""In whatever order creates begin, end, hang up and come again: never more than one message an intention.

Without faults there are exactly as many messages as intentions. The machine runs in one process, and over a
real Redis between two replicas that may be killed, lose their leases and meet a store that fails, or hears
of it late. `test_asked_creates_machine.py` has looks at Twilio besides.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule

from tests.support.redis import redis_server
from tests.support.repeat_machine import RepeatMachine
from tests.support.repeat_machine_calls import SCOPES
from tests.support.repeat_machine_redis import RUNNING, RedisMachine


@pytest.fixture(scope="module", autouse=True)
def _redis() -> Iterator[None]:
    with redis_server() as server:
        RUNNING.append(server)
        yield
        RUNNING.clear()


class OneProcess(RepeatMachine):
    """One gateway, without a store; what it remembers expires."""

    @precondition(lambda self: not self.calm)
    @rule()
    def seconds_pass(self) -> None:
        """All that is remembered has expired; what is on its way has not, and is meant anew."""
        self.now += 3601
        self._expire()
        self._forget()

    def _expire(self) -> None:
        """In one process the clock is enough."""


class OverRedis(RedisMachine, OneProcess):
    """Two replicas. Redis has a clock of its own, and forgets all on command."""

    def _expire(self) -> None:
        """What was not yet written would come after it: wait for that."""
        self._settle()

        async def write() -> None:
            for store, guard in zip(self.stores, self.guards, strict=True):
                store.faults.clear()
                shared = guard._parts.shared
                assert shared is not None
                while shared.is_writing or shared.unwritten:
                    await self._come_to_rest()

        self.loop.run_until_complete(write())
        RUNNING[0].client.flushall()


TestOneProcess = OneProcess.TestCase
TestOneProcess.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestOverRedis = OverRedis.TestCase
TestOverRedis.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_an_answer_that_its_caller_left_goes_to_one_of_two_replicas() -> None:
    """It calls its replica again while another client's request waits at the other one: two messages."""
    machine = OverRedis()
    machine.choose(calm=True)
    machine.intend(scope=SCOPES[0], replica=0)
    machine.intend(scope=SCOPES[0], replica=1)
    machine._leave(machine.calls[0])
    machine._turn()
    machine.teardown()
    assert machine.made == {SCOPES[0]: 2}
