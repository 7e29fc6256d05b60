"""A storm of faults, short forms of `tests/bench/side_effects` and `tests/bench/retry_storm`."""

import pytest

from gateway.commands.simulate import read_account
from tests.bench.retry_storm import run_retry_storm
from tests.bench.side_effects import SETTINGS, run_storm
from tests.support.moved_clock import steady_time
from tests.support.running import ENVIRON, running_gateway
from twilio_simulator import Simulator


@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
async def test_creates_through_a_storm(keyed: bool) -> None:
    """What was acknowledged was created once; what else was created is unknown, or its caller hung up."""
    with steady_time():
        async with (
            Simulator([read_account(ENVIRON, None)]) as simulator,
            running_gateway(simulator.url, **SETTINGS) as gateway,
        ):
            storm = await run_storm(simulator, gateway.port, 500, keyed=keyed)
            assert not storm.problems(), storm.describe()
            assert not simulator.store.duplicates()
            assert all(
                limiter.in_flight == limiter.waiting == 0
                for _, limiter in gateway.gateway.components.forwarder.limiters
            )
    created = simulator.store.created["messages"]
    assert len(storm.acknowledged) <= created
    assert created <= len(storm.acknowledged | storm.unknown | storm.hung_up)
    assert len(storm.acknowledged) > 250


async def test_an_outage_is_not_multiplied() -> None:
    """Everything is answered 503: new tries are a fifth of the requests at most, and a few."""
    async with (
        Simulator([read_account(ENVIRON, None)]) as simulator,
        running_gateway(simulator.url) as gateway,
    ):
        outage = await run_retry_storm(simulator, gateway.port, seconds=2)
    assert outage.answers.keys() == {503}
    assert outage.upstream_calls <= outage.allowed_calls
