"""Callers that send their next request when the last was answered: over bare sockets, or by aiohttp-retry.

Also the plain GET by which a benchmark asks its upstream. Knows nothing of what is measured with it.
"""

import asyncio
import json
import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, TCPConnector
from aiohttp_retry import ExponentialRetry, RetryClient

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_SILENT = logging.getLogger(__name__)
_SILENT.disabled = True


@dataclass
class Tally:
    """What callers saw. `took` has (when it ended, seconds) of every success; times are perf_counter's."""

    took: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def fail(self, kind: str) -> None:
        """Count a failure by its kind."""
        self.failed += 1
        self.failures[kind] = self.failures.get(kind, 0) + 1


@dataclass(frozen=True)
class Ask:
    """What is sent, again and again. `pause_seconds` follow on each answer."""

    url: str
    path: str
    fields: dict[str, str]
    body: str
    method: str = "POST"
    pause_seconds: float = 0.0

    def encode(self) -> bytes:
        """The bytes of one request."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.fields.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


class Caller(asyncio.Protocol):
    """One keep-alive connection, in a closed loop until it is closed."""

    def __init__(self, ask: Ask, tally: Tally) -> None:
        self._request = ask.encode()
        self._pause_seconds = ask.pause_seconds
        self._tally = tally
        self._received = b""
        self._stopped = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self._stopped:
            self._tally.fail("connection lost")

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        now = time.perf_counter()
        if head.startswith(b"HTTP/1.1 2"):
            self._tally.took.append((now, now - self._sent))
        else:
            self._tally.fail(head[9:12].decode())
        if self._pause_seconds:
            asyncio.get_running_loop().call_later(self._pause_seconds, self._send)
        else:
            self._send()

    def close(self) -> None:
        """Hang up; what is in flight does not count."""
        self._stopped = True
        self._transport.close()

    def _send(self) -> None:
        if not self._stopped and not self.lost:
            self._received = b""
            self._sent = time.perf_counter()
            self._transport.write(self._request)


class Crowd:
    """Callers on connections of their own; `start`, and `stop` when all has been measured."""

    def __init__(self, ask: Ask, tally: Tally, callers: int) -> None:
        self._ask = ask
        self._tally = tally
        self._count = callers
        self._callers: list[Caller] = []

    async def start(self) -> None:
        """Connect all, who begin at once."""
        loop = asyncio.get_running_loop()
        host, port = address(self._ask.url)
        for _ in range(self._count):
            _, caller = await loop.create_connection(lambda: Caller(self._ask, self._tally), host, port)
            self._callers.append(caller)

    async def stop(self) -> None:
        """Hang up."""
        for caller in self._callers:
            caller.close()
        await asyncio.sleep(0.01)


class RetryingCrowd:
    """The same with plain aiohttp-retry in each caller: ExponentialRetry, five attempts."""

    def __init__(self, ask: Ask, tally: Tally, callers: int) -> None:
        self._ask = ask
        self._tally = tally
        self._count = callers
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at once."""
        self._session = ClientSession(connector=TCPConnector(limit=0))
        options = ExponentialRetry(attempts=5, statuses={429}, retry_all_server_errors=True)
        client = RetryClient(self._session, _SILENT, options)
        self._tasks = [asyncio.create_task(self._call(client)) for _ in range(self._count)]

    async def stop(self) -> None:
        """Leave everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _call(self, client: RetryClient) -> None:
        ask = self._ask
        while True:
            began = time.perf_counter()
            try:
                async with client.request(
                    ask.method, ask.url + ask.path, data=ask.body, headers=ask.fields
                ) as answer:
                    await answer.read()
            except (ClientError, OSError) as error:
                self._tally.fail(type(error).__name__)
                continue
            now = time.perf_counter()
            if answer.status < 300:
                self._tally.took.append((now, now - began))
            else:
                self._tally.fail(str(answer.status))


def address(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def fetch(url: str, path: str) -> Any:
    """The JSON that a GET is answered with."""
    reader, writer = await asyncio.open_connection(*address(url))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None, head
        return json.loads(await reader.readexactly(int(length[1])))
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
