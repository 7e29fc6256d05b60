"""What times do to attempts: Retry-After, deadlines, and `Gateway-Timeout`."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.attempts import GET, POST, SIGNAL, SOON, attempts, coded, until, with_field
from tests.support.caller import ask
from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, Step, hang

PATIENT_SECONDS = 15


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """Tries again soon."""
    async with running_gateway(upstream.url, retry=SOON, upstream={"deadline_seconds": 30}) as gateway:
        yield gateway


@pytest.fixture
async def patient(upstream: RawUpstream) -> AsyncIterator[Running]:
    """Tries again soon, and has a deadline that only a moved clock reaches."""
    async with running_gateway(
        upstream.url, retry=SOON, upstream={"deadline_seconds": PATIENT_SECONDS}
    ) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("step", "given"),
    [
        (coded(20503, "503 No", "Retry-After: 1"), GET),
        (coded(20429, "429 No", "Retry-After: 1"), GET),
        (coded(20429, "429 No", "Retry-After: 1"), POST),
    ],
    ids=["503", "429 to GET", "429 to POST"],
)
async def test_retry_after_is_honoured(
    gateway: Running, upstream: RawUpstream, step: Step, given: bytes
) -> None:
    """And holds no slot meanwhile."""
    began = time.monotonic()
    upstream.then(step)
    got = await ask(gateway.port, given)
    assert (attempts(got, upstream), got.status) == (2, 200)
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("status", [503, 429])
async def test_retry_after_beyond_the_deadline_ends_tries(
    gateway: Running, upstream: RawUpstream, status: int
) -> None:
    """The answer goes back at once, its Retry-After with it."""
    upstream.then(coded(20000 + status, f"{status} No", "Retry-After: 60"))
    began = time.monotonic()
    got = await ask(gateway.port, GET)
    assert (attempts(got, upstream), got.status, got.value("Retry-After")) == (1, status, "60")
    assert time.monotonic() - began < 4


async def test_signals_without_end_go_back_at_the_deadline(
    clock: MovedClock, patient: Running, upstream: RawUpstream
) -> None:
    """As Twilio's own 429: it says more than ours."""
    upstream.otherwise = SIGNAL
    asked = asyncio.create_task(ask(patient.port, POST))
    await upstream.arrived(2)
    ((_, limiter),) = patient.gateway.components.forwarder.limiters
    await until(lambda: limiter.waiting == 1)
    clock.advance(PATIENT_SECONDS)
    got = await asked
    assert (got.status, got.slug) == (429, "")
    assert attempts(got, upstream) > 1


@pytest.mark.parametrize("value", ["0", "-1", "soon", "1e3", "", "1,2"])
async def test_a_bad_gateway_timeout_is_refused(gateway: Running, upstream: RawUpstream, value: str) -> None:
    """Rather than guessed at."""
    got = await ask(gateway.port, with_field(GET, f"Gateway-Timeout: {value}"))
    assert (got.status, got.slug, len(upstream.received)) == (400, "bad_header", 0)


async def test_gateway_timeout_is_bounded_by_the_drain_time(
    clock: MovedClock, patient: Running, upstream: RawUpstream
) -> None:
    """Which is shorter here than the usual deadline: so it raises nothing."""
    upstream.then(hang())
    asked = asyncio.create_task(ask(patient.port, with_field(GET, "Gateway-Timeout: 60")))
    await upstream.arrived()
    clock.advance(PATIENT_SECONDS)
    got = await asked
    assert (got.status, got.slug) == (504, "upstream_timeout")
