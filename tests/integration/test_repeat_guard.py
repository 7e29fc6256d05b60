"""The repeat guard over sockets: callers without a key that send a create again."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import Running, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream, Step, answer, gated, hang, raw, raw_upstream, reply

TEXT = b"To=%2B15005550006&From=%2B15005550001&Body=hi"
CREATED = reply(b'{"sid": "SM1"}', status="201 Created")
LATER = {"deadline_seconds": 30}


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with raw_upstream() as upstream:
        upstream.otherwise = CREATED
        yield upstream


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    async with running_gateway(upstream.url, upstream=LATER) as gateway:
        yield gateway


def send(*fields: str, body: bytes = TEXT, target: str = MESSAGES) -> bytes:
    return request(f"POST {target}", FORM, *fields, body=body)


async def create(gateway: Running, *fields: str, body: bytes = TEXT, target: str = MESSAGES) -> RawAnswer:
    return await ask(gateway.port, send(*fields, body=body, target=target))


TIMEOUT = "upstream_timeout"
LOST = (502, "upstream_lost", "unknown")
UNKNOWN = (502, "repeat_unknown")
OPEN = [
    pytest.param(raw(ends="reset"), LOST, UNKNOWN, id="reset"),
    pytest.param(raw(ends="close"), LOST, UNKNOWN, id="closed"),
    pytest.param(hang(), (504, TIMEOUT, "unknown"), UNKNOWN, id="timeout"),
    pytest.param(reply(b"{}", status="500 Oops"), (500, "", ""), (500, ""), id="500"),
    pytest.param(reply(b"{}", status="502 Oops"), (502, "", ""), (502, ""), id="502"),
    pytest.param(reply(b"{}", status="504 Oops"), (504, "", ""), (504, ""), id="504"),
]


@pytest.mark.parametrize(("fault", "first", "again"), OPEN)
async def test_an_open_outcome_is_not_sent_again(
    gateway: Running,
    upstream: RawUpstream,
    fault: Step,
    first: tuple[int, str, str],
    again: tuple[int, str],
) -> None:
    """Three calls, as an SDK makes them that retries every 5xx: one message."""
    upstream.then(fault)
    late = passing_time(MovedClock(asyncio.get_running_loop())) if first[1] == TIMEOUT else nullcontext()
    async with late:
        found = await create(gateway)
    assert (found.status, found.slug, found.value("Gateway-Outcome")) == first
    for _ in range(2):
        repeat = await create(gateway)
        assert (repeat.status, repeat.slug, repeat.value("Gateway-Outcome")) == (*again, "shared")
    assert len(upstream.received) == 1
    assert (await create(gateway, body=TEXT + b"!")).status == 201
    assert (await create(gateway, "Gateway-Repeat: allow")).status == 201
    assert len(upstream.received) == 3
    assert not upstream.received[2].values("gateway-repeat")


async def test_a_client_without_patience_that_calls_again_sends_one_message(
    gateway: Running, upstream: RawUpstream
) -> None:
    """It gives up while Twilio takes its time; the second call waits, and gets what the first was owed."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b'{"sid": "SM7"}', status="201 Created")))
    async with raw_caller(gateway.port) as first, raw_caller(gateway.port) as second:
        await first.send(send())
        await upstream.arrived()
        first.hang_up()
        await second.send(send())
        await until_waiting(gateway)
        gate.set()
        found = await second.answer()
    assert (found.status, found.body, found.value("Gateway-Outcome")) == (201, b'{"sid": "SM7"}', "shared")
    assert len(upstream.received) == 1
    assert (await create(gateway)).value("Gateway-Outcome") == ""  # the answer was taken: another message
    assert len(upstream.received) == 2


async def test_a_caller_that_left_a_moment_ago_has_no_answer(gateway: Running, upstream: RawUpstream) -> None:
    """Its reset is in the kernel, and the answer is written before our loop has seen it."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b'{"sid": "SM7"}', status="201 Created")))
    with socket.create_connection(("127.0.0.1", gateway.port)) as first:
        first.sendall(send())
        await upstream.arrived()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gate.set()
    found = await create(gateway)
    assert (found.status, found.body, found.value("Gateway-Outcome")) == (201, b'{"sid": "SM7"}', "shared")
    assert len(upstream.received) == 1


async def test_equal_messages_of_two_connected_callers_are_two(
    gateway: Running, upstream: RawUpstream
) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b'{"sid": "SM1"}', status="201 Created")))
    async with raw_caller(gateway.port) as first, raw_caller(gateway.port) as second:
        await first.send(send())
        await upstream.arrived()
        await second.send(send())
        await until_waiting(gateway)
        gate.set()
        answers = [await first.answer(), await second.answer()]
    assert [(each.status, each.value("Gateway-Outcome")) for each in answers] == [(201, ""), (201, "")]
    assert len(upstream.received) == 2


async def test_a_repeat_with_less_time_is_told_so(gateway: Running, upstream: RawUpstream) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(status="201 Created")))
    async with raw_caller(gateway.port) as first:
        await first.send(send())
        await upstream.arrived()
        repeat = await create(gateway, "Gateway-Timeout: 0.05")
        gate.set()
        assert (await first.answer()).status == 201
    assert (repeat.status, repeat.slug) == (409, "repeat_in_flight")
    assert len(upstream.received) == 1


NEVER_HELD = [
    pytest.param((), MESSAGES.replace(".json", "/SM00000000000000000000000000000001.json"), id="update"),
    pytest.param((), MESSAGES.replace("Messages", "Tokens"), id="token"),
    pytest.param((), "/verify/v2/Services/VA1/VerificationCheck", id="check"),
]


@pytest.mark.parametrize(("fields", "target"), NEVER_HELD)
async def test_what_is_never_held(
    gateway: Running, upstream: RawUpstream, fields: tuple[str, ...], target: str
) -> None:
    upstream.then(raw(ends="reset"), raw(ends="reset"))
    answers = [await create(gateway, *fields, target=target) for _ in range(2)]
    assert [each.slug for each in answers] == ["upstream_lost", "upstream_lost"]
    assert len(upstream.received) == 2


async def test_another_key_is_another_intention(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(raw(ends="reset"))
    assert (await create(gateway, "Idempotency-Key: one")).slug == "upstream_lost"
    assert (await create(gateway, "Idempotency-Key: two")).status == 201
    assert len(upstream.received) == 2


async def test_report_mode_sends_and_counts(upstream: RawUpstream) -> None:
    upstream.then(raw(ends="reset"))
    guard = {"mode": "report"}
    async with running_gateway(upstream.url, repeat_guard=guard) as gateway:
        assert (await create(gateway)).slug == "upstream_lost"
        assert (await create(gateway)).status == 201
        assert counted(gateway) == {"reported": 1}


async def test_single_routes_can_be_left_out_and_added(upstream: RawUpstream) -> None:
    routes = {
        "api /2010-04-01/Accounts/{AccountSid}/Messages": 0,
        "api /2010-04-01/Accounts/{AccountSid}/Tokens": 10,
    }
    async with running_gateway(upstream.url, repeat_guard={"routes": routes}) as gateway:
        for target in (MESSAGES, MESSAGES.replace("Messages", "Tokens")):
            upstream.then(raw(ends="reset"))
            await create(gateway, target=target)
            await create(gateway, target=target)
    assert [received.line.split("/")[-2].split(".")[0] for received in upstream.received] == [
        "Messages", "Messages", "Tokens",
    ]  # fmt: skip


def counted(gateway: Running) -> dict[str, int]:
    """What happened to repeats, by event."""
    found: dict[str, int] = {}
    for (_, _, event), count in gateway.gateway.observers.metrics.counts.repeats.items():
        found[event] = found.get(event, 0) + count
    return found


async def until_waiting(gateway: Running) -> None:
    """Until a repeat waits."""
    async with asyncio.timeout(120):
        while "waited" not in counted(gateway):  # noqa: ASYNC110 - a counter tells nobody
            await asyncio.sleep(0)


def create_and_leave(port: int, times: int) -> list[bytes]:
    """One create after the other, each over a connection that is closed as soon as its answer is here."""
    statuses = []
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(send())
            got = b""
            while b'"SM1"' not in got:
                block = sock.recv(4096)
                assert block, got
                got += block
        statuses.append(got.split(b"\r\n", 1)[0])
    return statuses


async def test_callers_that_leave_with_their_answer_have_had_it(
    upstream: RawUpstream, tmp_path: Path
) -> None:
    """Every equal message is sent, however soon its caller closes the connection behind the answer."""
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        statuses = await asyncio.to_thread(create_and_leave, port, 200)
    assert set(statuses) == {b"HTTP/1.1 201 Created"}
    assert len(upstream.received) == 200
