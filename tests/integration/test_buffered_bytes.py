"""`callers.buffered_bytes`: what is held of bodies for all callers together is bounded, and given back."""

import asyncio
import time
from collections.abc import Callable

from tests.support.caller import FORM, MESSAGES, ask, ask_admin, raw_caller, request
from tests.support.metrics import scrape, total
from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, raw, reply

GET = request(f"GET {MESSAGES}")
BIG = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(16_000_000))
FULL = (503, "buffers_full", "1")


def post(letter: str, size: int) -> bytes:
    """A form of so many bytes; each letter makes another message."""
    return request(f"POST {MESSAGES}", FORM, body=b"To=%2B1&Body=" + letter.encode() * (size - 13))


def chunked(size: int) -> bytes:
    """The same without a length, and without its end."""
    head = request(f"POST {MESSAGES}", FORM, "Transfer-Encoding: chunked")
    return head + b"%x\r\nTo=%%2B1&Body=" % size + b"x" * (size - 13)


async def until(met: Callable[[], bool]) -> None:
    """Nothing tells of these states."""
    async with asyncio.timeout(120):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def until_left_unread(gateway: Running, size: int) -> None:
    """Until so many bytes are held for good: at first the kernel takes some, though nobody reads."""
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        now = time.monotonic()
        if held(gateway) < size:
            since = now
        return now - since > 0.2

    await until(settled)


def held(gateway: Running) -> int:
    """In bytes, now."""
    return gateway.gateway.components.buffers.used


async def test_c2_bodies_that_wait_for_twilio_are_bounded_together(upstream: RawUpstream) -> None:
    answered = asyncio.Event()

    async def answer_later(connection: ScriptedConnection) -> None:
        await answered.wait()
        await reply(b"{}")(connection)

    upstream.then(answer_later)
    async with running_gateway(upstream.url, callers={"buffered_bytes": 100_000}) as gateway:
        first = asyncio.create_task(ask(gateway.port, post("a", 60_000)))
        await upstream.arrived(1)
        assert held(gateway) == 60_000
        for body in (post("b", 60_000), chunked(60_000)):
            got = await ask(gateway.port, body)
            assert (got.status, got.slug, got.value("Retry-After")) == FULL
        assert (await ask(gateway.port, post("c", 30_000))).status == 200
        answered.set()
        assert (await first).status == 200
        assert (await ask(gateway.port, post("b", 60_000))).status == 200
        await gateway.exchange_logged(5)
        assert held(gateway) == 0
    assert len(upstream.received) == 3


async def test_c2_a_caller_that_asks_first_is_told_before_it_sends(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, callers={"buffered_bytes": 10}) as gateway:
        gateway.gateway.components.buffers.used += 10
        head = request(f"POST {MESSAGES}", FORM, "Expect: 100-continue", "Content-Length: 5")
        got = await ask(gateway.port, head)
        assert (got.status, got.slug, got.value("Retry-After")) == FULL
        gateway.gateway.components.buffers.used -= 10


async def test_c2_an_upload_needs_room_for_what_is_on_its_way(upstream: RawUpstream) -> None:
    path = "/mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"
    upload = request(f"POST {path}", "Content-Type: image/png", body=b"png")
    async with running_gateway(upstream.url, callers={"buffered_bytes": 100_000}) as gateway:
        got = await ask(gateway.port, upload)
        assert (got.status, got.slug, got.value("Retry-After")) == FULL
        gateway.gateway.components.buffers.limit = 200_000
        assert (await ask(gateway.port, upload)).status == 200
        await gateway.exchange_logged(2)
        assert held(gateway) == 0


async def test_c2_unread_answers_are_bounded_together(upstream: RawUpstream) -> None:
    """A small answer passes, and so does what must not be repeated."""
    upstream.then(BIG)
    async with (
        running_gateway(upstream.url, callers={"buffered_bytes": 10_000}) as gateway,
        raw_caller(gateway.port, receive_buffer=4096) as slow,
    ):
        await slow.send(GET)
        await slow.until(b"\r\n\r\n")
        await until_left_unread(gateway, 10_000)
        upstream.then(BIG)
        got = await ask(gateway.port, GET)
        assert (got.status, got.slug, got.value("Retry-After")) == FULL
        assert (await ask(gateway.port, GET)).status == 200
        samples = await scrape(gateway.admin_url)
        assert total(samples, "gateway_refusals_total", slug="buffers_full") == 1
        assert total(samples, "gateway_buffered_bytes") >= 10_000
        assert total(samples, "gateway_buffered_bytes_limit") == 10_000
        ready = await ask_admin(int(gateway.admin_url.rpartition(":")[2]), "/readyz")
        assert b"callers.buffered_bytes" in ready.body
        slow.hang_up()
        await until(lambda: gateway.gateway.listener.tracker.open == 0)
        assert held(gateway) == 0


async def test_c2_what_a_caller_left_unread_is_given_back_when_it_is_cut_off(
    clock: MovedClock, upstream: RawUpstream
) -> None:
    upstream.then(BIG)
    async with (
        running_gateway(upstream.url) as gateway,
        raw_caller(gateway.port, receive_buffer=4096) as slow,
    ):
        await slow.send(GET)
        await slow.until(b"\r\n\r\n")
        await until_left_unread(gateway, 1)
        clock.advance(31)
        await until(lambda: gateway.gateway.listener.tracker.open == 0)
        assert held(gateway) == 0
