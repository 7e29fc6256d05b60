"""Streams of the admin port under strain: too many, too slow, draining; and its API while traffic runs."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from gateway.admin.events import MAX_STREAMS
from tests.support.caller import FORM, MESSAGES, RawCaller, ask, raw_caller, request
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream

EVENTS = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def admin_port(gateway: Running) -> int:
    return int(gateway.admin_url.rpartition(":")[2])


async def open_stream(stack: AsyncExitStack, gateway: Running, receive_buffer: int = 0) -> RawCaller:
    """A reader that has been given its first tick."""
    caller = await stack.enter_async_context(raw_caller(admin_port(gateway), receive_buffer=receive_buffer))
    await caller.send(EVENTS)
    assert (await caller.until(b"event: tick")).startswith(b"HTTP/1.1 200")
    return caller


async def state(gateway: Running) -> Any:
    """What /api/state says."""
    answer = await ask(admin_port(gateway), b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return json.loads(answer.body)


async def test_streams_are_bounded(gateway: Running) -> None:
    """One more is told to come later; when one leaves, there is room."""
    async with AsyncExitStack() as stack:
        streams = [await open_stream(stack, gateway) for _ in range(MAX_STREAMS)]
        answer = await ask(admin_port(gateway), EVENTS)
        assert (answer.status, b"try again later" in answer.body) == (503, True)
        streams[0].hang_up()
        async with asyncio.timeout(120):
            while True:  # until the next tick finds out
                async with raw_caller(admin_port(gateway)) as caller:
                    await caller.send(EVENTS)
                    if (await caller.answer("HEAD")).status == 200:
                        return


async def test_a_reader_that_does_not_read_is_dropped(gateway: Running) -> None:
    """Its connection is broken off, while another stream goes on and traffic is served."""
    async with AsyncExitStack() as stack:
        slow = await open_stream(stack, gateway, receive_buffer=4096)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        other = await open_stream(stack, gateway)

        async def drain() -> None:
            while await other.reader.read(1 << 16):
                pass

        draining = asyncio.create_task(drain())
        connection = slow.writer.get_extra_info("socket")
        async with asyncio.timeout(120):
            async with raw_caller(gateway.port) as caller:
                while True:
                    for _ in range(50):
                        await caller.send(request(f"GET {MESSAGES}"))
                        assert (await caller.answer()).status == 200
                    if connection.getsockopt(6, 11, 1)[:1] == b"\x07":  # TCP_INFO: 7 is TCP_CLOSE
                        break
        assert not draining.done()
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)


async def test_a_stream_ends_cleanly_when_the_gateway_stops(upstream: RawUpstream) -> None:
    """After a tick that says so: its last chunk is the empty one."""
    async with AsyncExitStack() as stack:
        async with running_gateway(upstream.url) as gateway:
            stream = await open_stream(stack, gateway)
        assert (await stream.rest()).endswith(b"\r\n0\r\n\r\n")


async def test_resumes_where_it_was(gateway: Running) -> None:
    """As browsers do, by Last-Event-ID."""
    for number in range(3):
        await ask(gateway.port, request(f"GET {MESSAGES}", f"X-Request-Id: r{number}"))
    answer = await ask(admin_port(gateway), b"GET /api/exchanges HTTP/1.1\r\nHost: localhost\r\n\r\n")
    seq = json.loads(answer.body)["exchanges"][1]["seq"]
    async with raw_caller(admin_port(gateway)) as caller:
        await caller.send(EVENTS[:-2] + b"Last-Event-ID: %d\r\n\r\n" % seq)
        await caller.until(b"event: exchanges\n")
        found = json.loads((await caller.until(b"\n\n")).partition(b"data: ")[2])
    assert [each["request_id"] for each in found["exchanges"]] == ["r2"]


async def test_many_in_a_tick_are_told_to_be_more(gateway: Running) -> None:
    """The newest fifty, and how many were left out."""
    async with raw_caller(gateway.port) as caller:
        for _ in range(60):
            await caller.send(request(f"GET {MESSAGES}"))
            await caller.answer()
    async with raw_caller(admin_port(gateway)) as caller:
        await caller.send(EVENTS.replace(b"events", b"events?after=0"))
        await caller.until(b"event: exchanges\n")
        found = json.loads((await caller.until(b"\n\n")).partition(b"data: ")[2])
    assert (len(found["exchanges"]), found["skipped"]) == (50, 10)


async def test_asked_for_all_the_time_while_traffic_runs(gateway: Running) -> None:
    """Every answer of the API is whole, whatever the data loop is doing to what it reads."""
    ended = asyncio.Event()

    async def call() -> None:
        async with raw_caller(gateway.port) as caller:
            while not ended.is_set():
                await caller.send(request(f"POST {MESSAGES}", FORM, body=b"To=1"))
                await caller.answer()

    async def fail() -> None:
        """Each time by a connection of its own: after too many failures it is closed."""
        while not ended.is_set():
            await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=1", auth="Bearer unknown"))

    paths = (
        "state",
        "history",
        "consumers",
        "routes",
        "credentials",
        "codes",
        "exchanges?limit=50",
        "limits",
    )
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
        group.create_task(fail())
        for _ in range(7):
            group.create_task(call())
        for _ in range(60):
            for path in paths:
                async with session.get(f"{gateway.admin_url}/api/{path}") as answer:
                    assert answer.status == 200, path
                    json.loads(await answer.read())
            async with session.get(f"{gateway.admin_url}/metrics") as answer:
                assert answer.status == 200
        ended.set()
    assert (await state(gateway))["records_dropped"] == 0
    assert not [line for line in gateway.log() if line["level"] == "error"]


async def test_degraded_and_why(unused_tcp_port: int) -> None:
    """Twilio cannot be reached, a reload failed: /readyz and the page say the same, and it stays ready."""
    async with running_gateway(f"http://127.0.0.1:{unused_tcp_port}", retry={"max_attempts": 2}) as gateway:
        assert (await state(gateway))["state"] == "serving"
        for _ in range(6):
            await ask(gateway.port, request(f"GET {MESSAGES}"))
        gateway.gateway.process_status.record_reload(False, "consumers.app: unknown name")
        found = await state(gateway)
        assert found["state"] == "degraded"
        assert "breaker open for api.twilio.com: refused" in found["why"]
        assert "retry budget spent" in found["why"]
        assert "reload failed: consumers.app: unknown name" in found["why"]
        assert found["breakers"] == [{"host": "api.twilio.com", "state": "open"}]
        ready = await ask(admin_port(gateway), b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (ready.status, json.loads(ready.body)["why"]) == (200, found["why"])


@pytest.mark.parametrize(("rate", "used"), [("10/h", 0.3), ("1000/h", 0.003)])
async def test_limit_use(upstream: RawUpstream, rate: str, used: float) -> None:
    """How much of a consumer's limits is used up."""
    from tests.support.running import consumer

    limited = consumer(limits=[{"rate": rate}, {"rate": "5/m", "per": "destination"}])
    async with running_gateway(upstream.url, consumers={"app": limited}) as gateway:
        for _ in range(3):
            await ask(gateway.port, request(f"GET {MESSAGES}"))
        answer = await ask(
            admin_port(gateway), b"GET /api/limits?consumer=app HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        first, second = json.loads(answer.body)["limits"]["app"]
        assert (first["name"], first["text"], first["per"]) == ("app/0", rate, "consumer")
        assert first["used"] == pytest.approx(used, abs=0.02)
        assert (second["per"], second["used"]) == ("destination", None)
