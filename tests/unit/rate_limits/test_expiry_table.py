"""Entries are there until they are past, and the table is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.rate_limits.expiry_table import ExpiryTable


def test_found_until_replaced() -> None:
    moments = ExpiryTable()
    assert moments.find("a") == 0
    assert moments.has_room("a", now=5)
    moments.put("a", 7)
    moments.put("a", 8)
    assert (moments.find("a"), len(moments)) == (8, 1)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 3))))
def test_never_forgets_what_is_to_come_nor_outgrows_its_bound(steps: list[tuple[int, int, int]]) -> None:
    moments, now = ExpiryTable(keys_max=8), 1
    promised: dict[str, int] = {}
    for name, ahead, passes in steps:
        now += passes
        key = str(name)
        if moments.has_room(key, now):
            moments.put(key, now + ahead)
            promised[key] = now + ahead
        assert len(moments) <= 8
        for known, moment in promised.items():
            if moment > now:
                assert moments.find(known) == moment
