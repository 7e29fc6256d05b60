"""A known client is answered a second before it gives up; others after `deadline_seconds`."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.attempts import GET, POST, with_field
from tests.support.caller import RawAnswer, ask, raw_caller
from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, hang

GO = "User-Agent: twilio-go/1.30.9 (linux amd64) go/1.24.1"
NODE = "User-Agent: twilio-node/6.3.1 (linux x64) node/v22.12.0"
PHP = "User-Agent: twilio-php/8.12.0 (Linux x86_64) PHP/8.2.26"
PYTHON = "User-Agent: twilio-python/9.13.0 (Linux x86_64) Python/3.11.2"
ODD = "User-Agent: twilio-go/?"
SLACK = 4
"""So many seconds before its deadline a request must still wait: more than a busy machine loses."""


@pytest.fixture
async def gateway(clock: MovedClock, upstream: RawUpstream) -> AsyncIterator[Running]:
    """As it is configured by default, as far as times go."""
    upstream.otherwise = hang()
    async with running_gateway(upstream.url, drain_seconds=60, retry={"max_attempts": 1}) as gateway:
        yield gateway


async def ended_at(
    clock: MovedClock, gateway: Running, upstream: RawUpstream, given: bytes, seconds: float
) -> RawAnswer:
    """The answer to a request that still waits a little before `seconds`, and no longer then."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(given)
        head = asyncio.create_task(caller.reader.readuntil(b"\r\n\r\n"))
        await upstream.arrived()
        clock.advance(seconds - SLACK)
        refused = await ask(
            gateway.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        )  # timers that were due have fired
        assert (refused.status, head.done()) == (401, False)
        clock.advance(SLACK)
        return RawAnswer(await head, b"", b"")


@pytest.mark.parametrize(
    ("field", "seconds"),
    [(GO, 9), (NODE, 29), (PHP, 55), (PYTHON, 25), (ODD, 25), ("X-Not-A-Client: 1", 25)],
    ids=["go", "node", "php", "python", "odd", "none"],
)
async def test_a_post_ends_before_its_client_gives_up(
    clock: MovedClock, gateway: Running, upstream: RawUpstream, field: str, seconds: float
) -> None:
    """And the client is told that the outcome is unknown."""
    got = await ended_at(clock, gateway, upstream, with_field(POST, field), seconds)
    assert (got.status, got.slug, got.value("Gateway-Outcome")) == (504, "upstream_timeout", "unknown")
    assert len(upstream.received) == 1


async def test_a_get_has_no_doubtful_outcome(
    clock: MovedClock, gateway: Running, upstream: RawUpstream
) -> None:
    got = await ended_at(clock, gateway, upstream, with_field(GET, GO), 9)
    assert (got.status, got.slug, got.value("Gateway-Outcome")) == (504, "upstream_timeout", "")


@pytest.mark.parametrize(("value", "seconds"), [("6", 6), ("40", 40), ("300", 55)])
async def test_gateway_timeout_goes_before_the_client(
    clock: MovedClock, gateway: Running, upstream: RawUpstream, value: str, seconds: float
) -> None:
    """Lower or higher, up to the maximum."""
    given = with_field(with_field(POST, GO), f"Gateway-Timeout: {value}")
    got = await ended_at(clock, gateway, upstream, given, seconds)
    assert (got.status, got.slug) == (504, "upstream_timeout")
