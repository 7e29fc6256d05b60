"""Which heads a connection knows, and for how long it tries."""

from types import SimpleNamespace
from typing import Any, cast

from gateway.listener.known_heads import HeadBudget, KnownHeads
from gateway.listener.request_parser import Head
from tests.unit.policy.test_head_decision import decide

DECISION = decide()  # any: what is decided does not matter here


def head(name: str, value: str = "1") -> bytes:
    return f"GET /{name} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {value}\r\n\r\n".encode()


def keep(heads: KnownHeads, name: str, **changes: Any) -> None:
    message = {
        "method": "GET",
        "path": f"/{name}",
        "version": (1, 1),
        "should_close": False,
        "raw_headers": ((b"Host", b"x"), (b"X-Request-Id", b"1")),
    }
    heads.keep(head(name), cast(Head, SimpleNamespace(**message | changes)), 0, DECISION)


def found(heads: KnownHeads, name: str) -> bool:
    known = heads.find(head(name, "2") + b"more")
    return known is not None and known.target == f"/{name}"


def test_four_are_known_the_last_used_the_longest() -> None:
    heads = KnownHeads(8190, HeadBudget())
    for name in "abcd":
        keep(heads, name)
    assert all(found(heads, name) for name in "dcba")
    keep(heads, "e")
    assert [found(heads, name) for name in "abcde"] == [True, True, True, False, True]


def test_fields_are_those_of_the_request() -> None:
    heads = KnownHeads(8190, HeadBudget())
    keep(heads, "a")
    known = heads.find(head("a", "two"))
    assert known is not None
    assert known.raw_fields(known.template.values) == ((b"Host", b"x"), (b"X-Request-Id", b"two"))


def test_a_head_that_the_parser_read_otherwise_is_not_kept() -> None:
    heads = KnownHeads(8190, HeadBudget())
    keep(heads, "a", raw_headers=((b"Host", b"x"), (b"X-Request-Id", b"another")))
    keep(heads, "b", raw_headers=((b"X-Request-Id", b"1"),))
    assert not found(heads, "a")
    assert not found(heads, "b")


def test_none_is_kept_for_a_while_if_all_heads_differ() -> None:
    heads = KnownHeads(8190, HeadBudget())
    for number in range(9):
        keep(heads, f"first-{number}")
    assert found(heads, "first-7")
    assert not found(heads, "first-8")  # kept in vain too often


def test_it_is_tried_again_later() -> None:
    heads = KnownHeads(8190, HeadBudget())
    for number in range(8):
        keep(heads, f"first-{number}")
    for number in range(99):
        keep(heads, f"second-{number}")
    assert heads.find(head("second-98")) is None
    keep(heads, "third")
    assert found(heads, "third")


def test_no_head_beyond_the_parsers_bound_is_known() -> None:
    heads = KnownHeads(len(head("a")) + 1, HeadBudget())
    keep(heads, "a")
    assert heads.find(head("a", "22")) is not None
    assert heads.find(head("a", "333")) is None


def test_connections_that_kept_a_head_longest_ago_forget_theirs() -> None:
    budget = HeadBudget(max_heads=3)
    first, second, third = (KnownHeads(8190, budget) for _ in range(3))
    keep(first, "a")
    keep(second, "b")
    keep(first, "c")
    keep(third, "d")
    assert [found(first, "a"), found(first, "c"), found(second, "b"), found(third, "d")] == [
        True,
        True,
        False,
        True,
    ]
    assert budget.heads == 3
    budget.leave(first)
    budget.leave(second)
    assert budget.heads == 1
    keep(first, "e")  # its last request was judged after its caller had gone
    assert budget.heads == 1
