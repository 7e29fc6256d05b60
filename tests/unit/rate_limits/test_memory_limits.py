"""The memory store is bounded, and forgets no limit that is in force."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.consumers.rate_limit_rules import LimitKey, make_limit_set
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import Verdict
from gateway.rate_limits.memory_limits import LimitRequest, MemoryLimits
from gateway.rate_limits.rate_limit_headers import write_fields
from tests.support.limits import keys, limit

PER_DESTINATION = limit("1/m", 1, "app/0")


def _to(number: int) -> tuple[LimitKey, ...]:
    return (LimitKey(PER_DESTINATION, f"app/0:{number}"),)


class Bench:
    """A store of ten keys, and its clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.moments = ExpiryTable(keys_max=10)
        self.limits = MemoryLimits(self.moments, lambda: self.now)

    def passes(self, *wanted: LimitKey) -> bool:
        return self.limits.spend_now(LimitRequest(wanted)).decision.verdict is Verdict.ADMITTED


def test_full_of_limits_in_force() -> None:
    bench = Bench()
    assert all(bench.passes(*_to(number)) for number in range(10))
    assert bench.passes(*_to(10))  # the eleventh and all after it share one bucket
    assert not any(bench.passes(*_to(number)) for number in range(200))
    assert len(bench.moments) == 11
    bench.now += 60
    assert all(bench.passes(*_to(number)) for number in range(100, 110))


def test_two_newcomers_in_one_request_share_it_once() -> None:
    bench = Bench()
    for number in range(10):
        bench.passes(*_to(number))
    taken = bench.limits.spend_now(LimitRequest((*_to(10), *_to(11))))
    assert [key.key for key in taken.keys] == ["app/0:overflow"]
    assert len(taken.decision.tats) == 1


def test_what_is_past_makes_room() -> None:
    """A long run of ever new destinations holds as many keys as are in force, and a few."""
    bench = Bench()
    for number in count():
        assert bench.passes(*_to(number))
        bench.now += 7
        assert len(bench.moments) <= 10
        if number == 500:
            break


def test_known_keys_go_on_when_it_is_full() -> None:
    bench = Bench()
    wanted = keys(limit("2/m", 2, "app/1"))
    assert bench.passes(*wanted)
    for number in range(20):
        bench.passes(*_to(number))
    assert bench.passes(*wanted)
    assert not bench.passes(*wanted)


def test_a_reload_with_another_rate_keeps_what_was_spent() -> None:
    bench = Bench()
    assert bench.passes(*keys(limit("1/m", 1)))
    assert not bench.passes(*keys(limit("2/m", 1)))
    bench.now += 60
    assert bench.passes(*keys(limit("2/m", 1)))


@given(
    st.lists(
        st.tuples(st.sampled_from(["1/s", "3/s", "40/m", "5/d"]), st.integers(1, 4)), min_size=1, max_size=3
    ),
    st.lists(st.sampled_from([0, 1, 333_333, 1_000_000, 30_000_000]), min_size=1, max_size=30),
)
def test_the_short_way_decides_and_tells_as_the_long_one(
    rates: list[tuple[str, int]], gaps: list[int]
) -> None:
    limits = make_limit_set([limit(rate, burst, f"app/{index}") for index, (rate, burst) in enumerate(rates)])
    assert limits.fixed is not None
    short, long = Bench(), Bench()
    for gap in gaps:
        short.now += gap / 1_000_000
        long.now = short.now
        result = long.limits.spend_now(LimitRequest(limits.fixed))
        fields = short.limits.spend_fixed(limits)
        if (
            fields is None
        ):  # the first time, and when a limit does not admit: the long way, from the same state
            assert short.limits.spend_now(LimitRequest(limits.fixed)) == result
        else:
            assert result.decision.verdict is Verdict.ADMITTED
            assert fields == write_fields(result.keys, result.decision.tats, result.now)
