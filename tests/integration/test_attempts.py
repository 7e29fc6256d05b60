"""The table of docs/design.md 4.7 over real sockets: how often each request reaches Twilio, and what goes
back.
"""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.retry.circuit_breaker import CircuitState
from tests.support.attempts import (
    DELETE,
    GET,
    OK,
    ONCE_IS_TWICE,
    ONCE_ONLY,
    POST,
    SIGNAL,
    SOON,
    attempts,
    closed_upstream,
    coded,
    head_only,
    until,
)
from tests.support.caller import FORM, ask, request
from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, Step, hang, raw, reply


@dataclass(frozen=True)
class Row:
    """What the upstream does first; attempts and status for what may be done twice, and for what may not."""

    step: Step
    twice: tuple[int, int]
    once: tuple[int, int]
    unknown: bool = False


_AS_IS = {
    status: Row(reply(b"{}", status=f"{status} So"), (1, status), (1, status))
    for status in (200, 400, 403, 404, 409, 422, 500, 501, 505)
}
TABLE = {
    **{f"{status}": row for status, row in _AS_IS.items()},
    "204": Row(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), (1, 204), (1, 204)),
    "304": Row(raw(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), (1, 304), (1, 304)),
    "429, 20429": Row(SIGNAL, (2, 200), (2, 200)),
    "429, 45780": Row(coded(45780), (2, 200), (2, 200)),
    "429, no code": Row(reply(b"<html>", status="429 Slow"), (2, 200), (2, 200)),
    "429, 60203": Row(coded(60203), (1, 429), (1, 429)),
    "429, 60212": Row(coded(60212), (1, 429), (1, 429)),
    "429, 60203, gzip": Row(
        reply(gzip.compress(b'{"code": 60203}'), status="429 No", fields=("Content-Encoding: gzip",)),
        (1, 429),
        (1, 429),
    ),
    "503": Row(coded(20503, "503 No"), (2, 200), (1, 503)),
    "502": Row(reply(b"<html>", status="502 No"), (2, 200), (1, 502)),
    "504": Row(reply(b"<html>", status="504 No"), (2, 200), (1, 504)),
    "401, 20003": Row(coded(20003, "401 No"), (1, 401), (1, 401)),
    "closed": Row(raw(ends="close"), (2, 200), (1, 502), unknown=True),
    "reset": Row(raw(ends="reset"), (2, 200), (1, 502), unknown=True),
    "garbage": Row(raw(b"SSH-2.0\r\n\r\n", ends="close"), (2, 200), (1, 502), unknown=True),
    "cut short": Row(
        raw(b"HTTP/1.1 201 C\r\nContent-Length: 9\r\n\r\n{", ends="close"), (2, 200), (1, 502), unknown=True
    ),
    "silence": Row(hang(), (1, 504), (1, 504), unknown=True),
}
_DEADLINE_SECONDS = 15
_NEEDS_A_BODY = {"429, 60203", "429, 60212", "429, 60203, gzip", "cut short"}  # an answer to HEAD has none


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """Tries again soon."""
    async with running_gateway(
        upstream.url, retry=SOON, upstream={"deadline_seconds": _DEADLINE_SECONDS}
    ) as gateway:
        yield gateway


async def _check(
    gateway: Running, upstream: RawUpstream, name: str, given: bytes, want: tuple[int, int], *, unknown: bool
) -> None:
    step = TABLE[name].step
    if given.startswith(b"HEAD"):
        step, upstream.otherwise = head_only(step), head_only(OK)
    upstream.then(step)
    clock = MovedClock(asyncio.get_running_loop())
    asked = asyncio.create_task(ask(gateway.port, given, given.split()[0].decode()))
    if name == "silence":
        await upstream.arrived()
        clock.advance(_DEADLINE_SECONDS)
    got = await asked
    assert (attempts(got, upstream), got.status) == want
    assert got.value("Gateway-Outcome") == ("unknown" if unknown else "")
    assert len({(each.line, each.raw_body) for each in upstream.received}) == 1  # the same each time
    assert next(iter(gateway.gateway.components.forwarder.limiters))[1].in_flight == 0


@pytest.mark.parametrize("method", ONCE_IS_TWICE)
@pytest.mark.parametrize("name", TABLE)
async def test_what_may_be_done_twice(
    gateway: Running, upstream: RawUpstream, name: str, method: str
) -> None:
    """GET, HEAD, DELETE and PUT to an instance; whatever becomes of them, nothing is unknown."""
    if method == "HEAD" and name in _NEEDS_A_BODY:
        return
    await _check(gateway, upstream, name, ONCE_IS_TWICE[method], TABLE[name].twice, unknown=False)


@pytest.mark.parametrize("method", ONCE_ONLY)
@pytest.mark.parametrize("name", TABLE)
async def test_what_may_be_done_once(gateway: Running, upstream: RawUpstream, name: str, method: str) -> None:
    """POST, PATCH and PUT to a collection."""
    row = TABLE[name]
    await _check(gateway, upstream, name, ONCE_ONLY[method], row.once, unknown=row.unknown)


@pytest.mark.parametrize("given", [GET, POST], ids=["GET", "POST"])
async def test_a_refused_connection_is_tried_again(given: bytes) -> None:
    """Nothing was sent: whatever the method."""
    async with closed_upstream() as closed, running_gateway(closed.url, retry=SOON) as gateway:
        got = await ask(gateway.port, given)
    assert (got.status, got.slug, got.value("Gateway-Outcome")) == (502, "upstream_unreachable", "")
    assert got.value("Gateway-Attempts") == "4"


async def test_a_try_reaches_who_listens_at_last() -> None:
    """The first does not."""
    patient = {"max_attempts": 4, "initial_backoff_seconds": 2, "max_backoff_seconds": 2}
    async with closed_upstream() as closed, running_gateway(closed.url, retry=patient) as gateway:
        asking = asyncio.create_task(ask(gateway.port, POST))
        await until(lambda: bool(gateway.gateway.components.forwarder.breakers._circuits))
        await closed.listen()
        got = await asking
    assert (got.status, len(closed.upstream.received)) == (200, 1)
    assert int(got.value("Gateway-Attempts")) > 1


async def test_the_breaker_opens_and_closes() -> None:
    """After five connections that could not be made nothing is tried for a while; then one finds out."""
    once = {**SOON, "max_attempts": 1}
    async with closed_upstream() as closed, running_gateway(closed.url, retry=once) as gateway:
        seen = [(await ask(gateway.port, POST)).value("Gateway-Attempts") for _ in range(6)]
        assert seen == ["1"] * 5 + ["0"]
        await closed.listen()
        assert (await ask(gateway.port, POST)).slug == "upstream_unreachable"
        logged = await gateway.exchange_logged(7)
        assert [line["unreachable"] for line in logged] == ["refused"] * 7, "D4: also while nothing is tried"
        breakers = gateway.gateway.components.forwarder.breakers
        await until(lambda: CircuitState.OPEN not in breakers.states(time.monotonic()).values())
        assert [(await ask(gateway.port, POST)).status for _ in range(3)] == [200] * 3
        assert not breakers._circuits
    assert len(closed.upstream.received) == 3


async def test_when_tries_end_the_last_answer_goes_back_unchanged(
    gateway: Running, upstream: RawUpstream
) -> None:
    """Not the first, and nothing of ours in its place."""
    upstream.then(*(reply(b"no. %d" % n, status="503 N", fields=(f"X-No: {n}",)) for n in range(1, 6)))
    got = await ask(gateway.port, GET)
    assert (attempts(got, upstream), got.status, got.slug) == (4, 503, "")
    assert (got.body, got.value("X-No")) == (b"no. 4", "4")


async def test_the_budget_ends_tries(gateway: Running, upstream: RawUpstream) -> None:
    """Three in ten seconds for so few requests; a signal costs nothing of it."""
    upstream.otherwise = coded(20503, "503 No")
    assert attempts(await ask(gateway.port, GET), upstream) == 4
    got = await ask(gateway.port, GET)
    assert (got.status, got.value("Gateway-Attempts")) == (503, "1")
    upstream.then(SIGNAL, SIGNAL, OK)
    got = await ask(gateway.port, GET)
    assert (got.status, got.value("Gateway-Attempts")) == (200, "3")


async def test_verifys_20429_is_tried_again_once(gateway: Running, upstream: RawUpstream) -> None:
    """It may be an attempt cap, which no waiting lifts; nor does it say anything about the limit."""
    upstream.then(SIGNAL, SIGNAL, SIGNAL)
    got = await ask(gateway.port, request("POST /verify/v2/Services/VA0/Verifications", FORM, body=b"To=1"))
    assert (attempts(got, upstream), got.status) == (2, 429)
    ((_, limiter),) = gateway.gateway.components.forwarder.limiters
    assert limiter.adaptive_limit.signals == 0


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (raw(ends="close"), "unknown"),
        (coded(20503, "503 No"), "unknown"),
        (reply(b"", status="504 No"), "unknown"),
        (SIGNAL, ""),
    ],
    ids=["closed", "503", "504", "429"],
)
async def test_a_404_to_a_delete_that_was_tried_again(
    gateway: Running, upstream: RawUpstream, first: Step, outcome: str
) -> None:
    """Gone by our first try, or before it? Nobody can tell."""
    gone = coded(20404, "404 Not Found")
    upstream.then(first, gone)
    got = await ask(gateway.port, DELETE)
    assert (attempts(got, upstream), got.status) == (2, 404)
    assert got.value("Gateway-Outcome") == outcome
    upstream.then(gone)
    assert (await ask(gateway.port, DELETE)).value("Gateway-Outcome") == ""
