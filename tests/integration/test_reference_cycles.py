"""What a request leaves behind is freed at once, however it ended: nothing waits for the garbage collector.

An answer holds up to 96 KiB while it is streamed. In a cycle it would keep them until a collection of the
oldest generation, which comes when it comes.
"""

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvloop

from tests.support.running import ACCOUNT_SID, KEY, Running, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, raw, raw_upstream, reply

_OURS = ("gateway.", "aiohttp.")
"""Beside them are the streams of the scripted upstream, which runs in this process, too."""
_LONG = 1 << 20
_GET = (
    f"GET /2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json HTTP/1.1\r\nHost: api.twilio.com\r\n"
    f"Authorization: Bearer {KEY}\r\n\r\n"
).encode()
_MEDIA = "/mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"
_UPLOAD = (
    f"POST {_MEDIA} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    "Content-Type: application/octet-stream\r\n"
)
_SIZED = f"{_UPLOAD}Content-Length: {16 * _LONG}\r\n\r\n".encode() + bytes(4 * 65_536)
_CHUNKED = f"{_UPLOAD}Transfer-Encoding: chunked\r\n\r\n40000\r\n".encode() + bytes(4 * 65_536) + b"\r\n"
_FORM = (
    f"POST /2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json HTTP/1.1\r\nHost: localhost\r\n"
    f"Authorization: Bearer {KEY}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    f"Content-Length: {2 * 65_536}\r\n\r\nTo=1&Body="
).encode() + b"a" * 65_536
_ENDLESS = raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * _LONG), bytes(8 * _LONG), ends="hang")
_BROKEN = raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * _LONG), bytes(_LONG), ends="reset")
_SILENT = raw(ends="hang")

Act = Callable[[Running, RawUpstream], Coroutine[Any, Any, None]]


@contextmanager
def _collected() -> Iterator[Counter[str]]:
    """What only a collection frees of what is made meanwhile, by type."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        names = [f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage]
        found.update(name for name in names if name.startswith(_OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def _connect(gateway: Running) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", gateway.port))
    return sock


async def _send(gateway: Running) -> socket.socket:
    sock = await _connect(gateway)
    await asyncio.get_running_loop().sock_sendall(sock, _GET)
    return sock


async def _served(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(reply(b"{}"))
    with await _send(gateway) as sock:
        assert (await asyncio.get_running_loop().sock_recv(sock, 4096)).startswith(b"HTTP/1.1 200")


async def _left_unread(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(_ENDLESS)
    with await _send(gateway) as sock:
        assert (await asyncio.get_running_loop().sock_recv(sock, 100)).startswith(b"HTTP/1.1 200")


async def _left_waiting(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(_SILENT)
    before = len(upstream.received)
    with await _send(gateway):
        await upstream.arrived(before + 1)


async def _broken_off(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(_BROKEN)
    with await _send(gateway) as sock, suppress(ConnectionResetError):
        while await asyncio.get_running_loop().sock_recv(sock, 65_536):
            pass


async def _read_on(connection: ScriptedConnection) -> None:
    """An upstream that takes a body as it comes, and notes that it broke off."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while await connection.reader.read(65_536):
            pass
    connection.close()


async def _stall(gateway: Running, upstream: RawUpstream, data: bytes) -> None:
    """Send what there is of a body, and leave while the rest of it is waited for."""
    upstream.then(_read_on)
    with await _connect(gateway) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, data)
        async with asyncio.timeout(120):
            while not gateway.gateway._handler.in_flight:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)


async def _left_uploading(gateway: Running, upstream: RawUpstream) -> None:
    await _stall(gateway, upstream, _SIZED)


async def _left_uploading_chunks(gateway: Running, upstream: RawUpstream) -> None:
    await _stall(gateway, upstream, _CHUNKED)


async def _malformed_chunks(gateway: Running, upstream: RawUpstream) -> None:
    await _stall(gateway, upstream, _CHUNKED + b"x\r\n")


async def _left_sending_a_form(gateway: Running, upstream: RawUpstream) -> None:
    await _stall(gateway, upstream, _FORM)


_ACTS: tuple[Act, ...] = (
    _served, _left_unread, _left_waiting, _broken_off,
    _left_uploading, _left_uploading_chunks, _malformed_chunks, _left_sending_a_form,
)  # fmt: skip


@pytest.mark.parametrize("act", _ACTS)
def test_c2_an_exchange_leaves_no_cycle_behind(act: Act) -> None:
    """On uvloop, as the product runs: transports of asyncio are cycles by themselves."""

    async def scenario() -> Counter[str]:
        async with raw_upstream() as upstream, running_gateway(upstream.url) as gateway:
            await act(gateway, upstream)
            await gateway.exchange_logged(1)
            await _until_closed(gateway)
            with _collected() as found:
                await act(gateway, upstream)
                await gateway.exchange_logged(2)
                await _until_closed(gateway)
            return found

    assert uvloop.run(scenario()) == Counter()


async def _until_closed(gateway: Running) -> None:
    tracker = gateway.gateway.listener.tracker
    async with asyncio.timeout(120):
        while tracker.open:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
