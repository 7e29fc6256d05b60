"""The table of this process: its bounds, and what it never forgets."""

import pytest

from gateway.errors import Refusal
from gateway.idempotency.claim_rules import ClaimState, Record
from gateway.idempotency.memory_records import MemoryRecords
from gateway.policy.idempotency_key import Claim

PRINT = "f" * 64
TTL = 100.0


class Table:
    """A table with a clock to be set, and a count of what it forgot."""

    def __init__(self, max_bytes: int = 1000, max_entries: int = 100) -> None:
        self.now = 0.0
        self.forgotten = 0
        self.records = MemoryRecords(
            ttl_seconds=TTL,
            max_bytes=max_bytes,
            max_entries=max_entries,
            clock=lambda: self.now,
            on_forgotten=self._forgot,
        )

    def _forgot(self) -> None:
        self.forgotten += 1

    def add(self, scope: str, state: ClaimState = ClaimState.KEPT, size: int = 10) -> None:
        self.records.begin(scope)
        self.records.confirm(scope, Claim(scope, PRINT))
        if state is not ClaimState.FLIGHT:
            answer = b"x" * size if state is ClaimState.KEPT else b""
            self.records.finish(scope, Record(state, PRINT, 201, answer))

    def state(self, scope: str) -> ClaimState | None:
        record = self.records.find(scope)
        return record and record.state


def test_a_flight_is_not_certain_until_it_is_confirmed() -> None:
    table = Table()
    table.records.begin("a")
    assert table.records.find("a") == Record(ClaimState.FLIGHT, "")
    table.records.confirm("a", Claim("a", PRINT))
    assert table.records.find("a") == Record(ClaimState.FLIGHT, PRINT)
    table.records.finish("a", None)
    assert table.records.find("a") is None
    assert len(table.records) == 0


@pytest.mark.parametrize("state", [ClaimState.KEPT, ClaimState.SPENT, ClaimState.UNKNOWN])
def test_what_is_settled_expires(state: ClaimState) -> None:
    table = Table()
    table.add("a", state)
    table.now = TTL - 0.01
    assert table.state("a") is state
    table.now = TTL
    assert table.state("a") is None
    assert (len(table.records), table.records.answer_bytes) == (0, 0)


def test_a_flight_does_not_expire() -> None:
    table = Table()
    table.add("a", ClaimState.FLIGHT)
    table.now = 10 * TTL
    assert table.state("a") is ClaimState.FLIGHT
    table.records.forget("a")
    assert table.state("a") is ClaimState.FLIGHT


def test_the_oldest_answer_goes_first_and_its_record_stays() -> None:
    table = Table(max_bytes=25)
    for scope in "abc":
        table.add(scope)
    assert [table.state(scope) for scope in "abc"] == [ClaimState.SPENT, ClaimState.KEPT, ClaimState.KEPT]
    assert table.records.find("a") == Record(ClaimState.SPENT, PRINT, 201)
    assert table.records.answer_bytes == 20
    table.add("d", size=30)
    assert {table.state(scope) for scope in "abcd"} == {ClaimState.SPENT}
    assert table.records.answer_bytes == 0


def test_a_dropped_answer_still_expires_in_its_time() -> None:
    table = Table(max_bytes=10)
    table.add("a")
    table.now = TTL / 2
    table.add("b")
    table.now = TTL
    assert [table.state(scope) for scope in "ab"] == [None, ClaimState.KEPT]


def test_the_oldest_finished_record_is_forgotten_for_room() -> None:
    table = Table(max_entries=3)
    table.add("unknown", ClaimState.UNKNOWN)
    table.add("flight", ClaimState.FLIGHT)
    table.add("a")
    table.add("b")
    assert table.state("a") is None
    table.add("c", ClaimState.FLIGHT)
    assert table.state("b") is None
    assert table.forgotten == 2
    assert [table.state(scope) for scope in ("unknown", "flight", "c")] == [
        ClaimState.UNKNOWN,
        ClaimState.FLIGHT,
        ClaimState.FLIGHT,
    ]
    with pytest.raises(Refusal) as refused:
        table.add("d")
    assert (refused.value.slug, refused.value.status) == ("idempotency_full", 503)
    assert table.state("d") is None
    assert len(table.records) == 3


def test_what_has_expired_makes_room_first() -> None:
    table = Table(max_entries=2)
    table.add("a", ClaimState.UNKNOWN)
    table.add("b")
    table.now = TTL
    table.add("c")
    assert (len(table.records), table.forgotten, table.records.answer_bytes) == (1, 0, 10)


def test_forgetting_what_is_not_there_is_no_error() -> None:
    Table().records.forget("nobody")
