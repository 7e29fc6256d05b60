"""Routes: the first that fits, byte for byte; what lies beneath leaves no folder. How many are under way."""

import pytest

from gateway.webhooks.route_limits import RouteLimits
from gateway.webhooks.webhook_routes import is_plain_rest, split_target
from tests.support.webhook_rules import make_route, make_rules

RULES = make_rules(
    make_route("/a", "http://s/1"),
    make_route("/b/**", "http://s/2/**"),
    make_route("/b/c", "http://s/3"),
    make_route("/d/e", "http://s/4"),
    make_route("/d/**", "http://s/5/**"),
)
ROWS = [
    ("/a", "http://s/1"), ("/a/", None), ("/A", None), ("/aa", None), ("//a", None), ("/%61", None),
    ("/b/", "http://s/2/"), ("/b", None), ("/b/c", "http://s/2/c"), ("/b/x//y", "http://s/2/x//y"),
    ("/b/x%20y", "http://s/2/x%20y"), ("/b/../a", None), ("/b/./a", None), ("/b/%2e%2e/a", None),
    ("/b/%2F", None), ("/b/%5c", None), ("/b/%00", None), ("/b/%", None), ("/b/x\\y", None), ("/b/x?", None),
    ("/d/e", "http://s/4"), ("/d/f", "http://s/5/f"), ("/", None),
]  # fmt: skip


@pytest.mark.parametrize(("path", "url"), ROWS, ids=[row[0] for row in ROWS])
def test_match(path: str, url: str | None) -> None:
    route = RULES.match(path.encode())
    assert (route.inward_url(path.encode()) if route else None) == url


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/a?x=1", (b"/a", b"x=1")), ("/a", (b"/a", b"")), ("/a?", (b"/a", b"")), ("/a?x?y", (b"/a", b"x?y")),
        ("*", None), ("http://h/a", None), ("/a?x#y", None), ("/ü", None), ("", None), ("/a?\x7f", None),
    ],
)  # fmt: skip
def test_split_target(target: str, parts: tuple[bytes, bytes] | None) -> None:
    assert split_target(target) == parts


def test_a_long_path_is_judged_in_linear_time() -> None:
    assert is_plain_rest(b"a" * 100_000)
    assert not is_plain_rest(b"%" * 100_000)
    assert not is_plain_rest(b"a/" * 50_000 + b"..")


def test_so_many_are_under_way_at_once() -> None:
    limits = RouteLimits()
    route = make_route(concurrency=2)
    assert [limits.enter(route) for _ in range(3)] == [True, True, False]
    limits.leave(route)
    assert limits.enter(route)
    limits.leave(route)
    limits.leave(route)
    assert limits.in_flight == {}
