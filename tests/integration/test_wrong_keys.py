"""Row B11: wrong keys are throttled by address, and nobody with a good key notices."""

from gateway.identity.failure_throttle import BURST
from tests.support.caller import MESSAGES, ask, raw_caller, request
from tests.support.running import Running
from tests.support.upstream import RawUpstream

GOOD = request(f"GET {MESSAGES}")
WRONG = request(f"GET {MESSAGES}", auth="Bearer gw_a-key-that-nobody-has")


async def test_b11_wrong_keys_are_429_after_a_burst_and_good_ones_are_served(
    gateway: Running, upstream: RawUpstream
) -> None:
    async with raw_caller(gateway.port) as caller:
        for _ in range(BURST):
            await caller.send(WRONG)
            assert (await caller.answer()).status == 401
    refused = [await ask(gateway.port, WRONG) for _ in range(20)]
    limited = [answer for answer in refused if answer.status == 429]
    assert limited
    for answer in limited:
        assert (answer.slug, answer.value("Connection")) == ("too_many_failures", "close")
        assert int(answer.value("Retry-After")) >= 1
    assert (await ask(gateway.port, GOOD)).status == 200
    assert (await ask(gateway.port, request(f"GET {MESSAGES}", auth=None))).slug == "missing_key"
    assert len(upstream.received) == 1
