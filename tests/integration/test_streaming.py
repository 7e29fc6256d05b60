"""Large bodies: streamed both ways with bounded memory, limits told at once, slow senders given up."""

import asyncio
import hashlib

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, early

MIB = 1 << 20
BLOCK = bytes(range(256)) * 256
UPLOAD = "POST /mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"
BUFFERS = 20 * MIB
"""More than all socket and stream buffers of one exchange, less than what is offered."""


async def test_a_slow_reader_holds_the_upstream_back(gateway: Running, upstream: RawUpstream) -> None:
    """What the upstream could hand over while nobody read is bounded by buffers."""
    sent = 0
    stalled = asyncio.Event()

    async def endless(connection: ScriptedConnection) -> None:
        nonlocal sent
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (256 * MIB))
        for _ in range(256 * MIB // len(BLOCK)):
            try:
                async with asyncio.timeout(0.5):
                    await connection.send(BLOCK)
            except TimeoutError:
                stalled.set()
                await connection.writer.drain()
            sent += len(BLOCK)

    upstream.then(endless)
    async with raw_caller(gateway.port, receive_buffer=65_536) as caller:
        await caller.send(request(f"GET {MESSAGES}"))
        await caller.until(b"\r\n\r\n")
        await asyncio.wait_for(stalled.wait(), 180)
        assert sent < BUFFERS
        received = 0
        while received < 256 * MIB:
            received += len(await caller.reader.read(MIB))
    assert received == 256 * MIB
    assert (await gateway.exchange_logged(1))[0]["bytes_out"] == 256 * MIB


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_uploads_are_streamed(gateway: Running, upstream: RawUpstream, chunked: bool) -> None:
    """Any type, byte for byte, in the caller's own framing; held back while the upstream does not read."""
    size = 32 * MIB
    gate = asyncio.Event()
    digest = hashlib.sha256()
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"

    async def slow(connection: ScriptedConnection) -> None:
        await gate.wait()
        await connection.read_body()
        digest.update(connection.received.body)
        await connection.send(answer(b"{}", status="201 Created"))

    upstream.then(early(slow))
    taken = 0
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(UPLOAD, "Content-Type: image/x-own", "Content-Encoding: gzip", framing))

        async def push() -> None:
            nonlocal taken
            for _ in range(size // len(BLOCK)):
                await caller.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) if chunked else BLOCK)
                taken += len(BLOCK)
            await caller.send(b"0\r\n\r\n" if chunked else b"")

        pushing = asyncio.create_task(push())
        await upstream.arrived()
        done, _ = await asyncio.wait({pushing}, timeout=1)
        assert not done
        assert taken < BUFFERS
        gate.set()
        await pushing
        assert (await caller.answer()).status == 201
    received = upstream.received[0]
    assert digest.hexdigest() == hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()
    assert received.values("content-type") == ["image/x-own"]
    assert received.values("host") == ["mcs.us1.twilio.com"]
    assert [f"{name}: {value}" for name, value in received.fields if f"{name}: {value}" == framing] == [
        framing
    ]
    assert (await gateway.exchange_logged(1))[0]["bytes_in"] == size


LIMITS = {"body_bytes": 1000, "stream_bytes": 100_000, "body_seconds": 30}


@pytest.mark.parametrize("line", [f"POST {MESSAGES}", UPLOAD], ids=["buffered", "streamed"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_a_body_over_the_limit_is_413(upstream: RawUpstream, line: str, chunked: bool) -> None:
    """At once if the length is declared; else when the limit is passed. No whole body goes upstream."""
    async with running_gateway(upstream.url, callers=LIMITS) as gateway, raw_caller(gateway.port) as caller:
        if chunked:
            await caller.send(request(line, FORM, "Transfer-Encoding: chunked"))
            await caller.send(b"%x\r\n%b\r\n" % (len(BLOCK), b"a=" + BLOCK[2:]) * 2)
        else:
            await caller.send(request(line, FORM, "Content-Length: 100001"))
        got = await caller.answer()
        assert (got.status, got.slug, got.value("Connection")) == (413, "body_too_large", "close")
        assert upstream.received == []


async def test_a_body_at_the_limit_passes(upstream: RawUpstream) -> None:
    """To the byte."""
    async with running_gateway(upstream.url, callers=LIMITS) as gateway:
        assert (
            await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"a=" + b"x" * 998))
        ).status == 200
        assert (
            await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"a=" + b"x" * 999))
        ).status == 413
        assert (await ask(gateway.port, request(UPLOAD, body=b"x" * 100_000))).status == 200


@pytest.mark.parametrize("line", [f"POST {MESSAGES}", UPLOAD], ids=["buffered", "streamed"])
async def test_a_stalled_body_is_408(clock: MovedClock, upstream: RawUpstream, line: str) -> None:
    """The upstream never sees an end of it."""
    async with running_gateway(upstream.url, callers=LIMITS) as gateway:
        asked = asyncio.create_task(ask(gateway.port, request(line, FORM, "Content-Length: 900") + b"To=1"))
        async with passing_time(clock):
            got = await asked
        assert (got.status, got.slug) == (408, "body_timeout")
        assert upstream.received == []


async def test_form_rules_refuse_what_cannot_be_judged(upstream: RawUpstream) -> None:
    """A streamed upload by a consumer with form rules is 403, unread."""
    consumers = {"app": consumer(form={"to": ["+44"]})}
    async with running_gateway(upstream.url, consumers=consumers) as gateway:
        got = await ask(gateway.port, request(UPLOAD, "Content-Length: 5", "Expect: 100-continue"))
        assert (got.status, got.slug) == (403, "form_rule")
    assert upstream.connections == 0
