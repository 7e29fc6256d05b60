"""A scriptable upstream: records the exact bytes that reached it, and answers with exact bytes or not at all.

Every request takes the next step of the script, or `otherwise` when the script is at its end. A step is a
coroutine over an `ScriptedConnection`; the functions below make the usual ones.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.raw_message import RawMessage

_BROKEN = (ConnectionError, asyncio.IncompleteReadError)
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass
class ReceivedRequest(RawMessage):
    """One request as it came: `head` with its empty line, and the bytes of the body, framing included."""

    head: bytes
    raw_body: bytes = b""
    connection: int = 0

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        """The content, without chunk framing."""
        if not self.values("transfer-encoding"):
            return self.raw_body
        parts, at = [], 0
        while at < len(self.raw_body):
            end = self.raw_body.index(b"\r\n", at)
            size = int(self.raw_body[at:end], 16)
            parts.append(self.raw_body[end + 2 : end + 2 + size])
            at = end + 4 + size
        return b"".join(parts)


@dataclass
class ScriptedConnection:
    """One connection of the gateway's, for a step to work with."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    received: ReceivedRequest = field(default_factory=lambda: ReceivedRequest(b""))
    ended: bool = False

    async def send(self, data: bytes) -> None:
        """Write and wait until the gateway takes it."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """FIN after what was written."""
        self.ended = True
        self.writer.close()

    def reset(self) -> None:
        """RST: what was written may be lost."""
        self.ended = True
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.writer.transport.abort()

    async def read_body(self) -> bytes:
        """The body of the request at hand, framing included."""
        lengths = self.received.values("content-length")
        if lengths:
            self.received.raw_body = await self.reader.readexactly(int(lengths[0]))
        elif self.received.values("transfer-encoding"):
            size, parts = -1, []
            while size:
                line = await self.reader.readuntil(b"\r\n")
                size = int(line, 16)
                parts += [line, await self.reader.readexactly(size + 2)]
            self.received.raw_body = b"".join(parts)
        return self.received.raw_body


Step = Callable[[ScriptedConnection], Awaitable[None]]


class RawUpstream:
    """`received` are whole requests in the order they came, `broken` those whose body broke off."""

    def __init__(self) -> None:
        self.script: deque[Step] = deque()
        self.otherwise: Step = reply(b"{}")
        self.received: list[ReceivedRequest] = []
        self.broken: list[ReceivedRequest] = []
        self.connections = 0
        self.gone = 0
        self.url = ""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def then(self, *steps: Step) -> "RawUpstream":
        """Add steps to the script."""
        self.script.extend(steps)
        return self

    async def arrived(self, requests: int = 1) -> ReceivedRequest:
        """Wait until so many requests have come (their heads, for early steps); the last of them."""
        await self._until(lambda: len(self.received) >= requests)
        return self.received[requests - 1]

    async def hung_up(self, connections: int = 1) -> None:
        """Wait until the gateway has closed so many connections."""
        await self._until(lambda: self.gone >= connections)

    async def _until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(120), self._changed:
            await self._changed.wait_for(met)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        connection = ScriptedConnection(reader, writer, self.connections)
        try:
            while not connection.ended:
                await self._serve_one(connection)
        except _BROKEN:
            await self._note_gone()
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            with suppress(*_BROKEN, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _serve_one(self, connection: ScriptedConnection) -> None:
        connection.received = received = ReceivedRequest(await connection.reader.readuntil(b"\r\n\r\n"))
        received.connection = connection.number
        step = self.script.popleft() if self.script else self.otherwise
        if not getattr(step, "early", False):
            try:
                await connection.read_body()
            except _BROKEN:
                self.broken.append(received)
                raise
        self.received.append(received)
        async with self._changed:
            self._changed.notify_all()
        await step(connection)

    async def _note_gone(self) -> None:
        self.gone += 1
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def raw_upstream(*steps: Step) -> AsyncIterator[RawUpstream]:
    """An upstream that listens, with the first steps of its script."""
    upstream = RawUpstream().then(*steps)
    server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, limit=1 << 20)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        tasks = list(upstream._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def early(step: Step) -> Step:
    """The step begins when the head is there; it may read the body itself, or not."""

    async def act(connection: ScriptedConnection) -> None:
        await step(connection)

    act.early = True  # type: ignore[attr-defined]
    return act


def raw(*pieces: bytes, ends: str = "keep") -> Step:
    """Exact bytes, one write per piece; then `keep`, `close` or `reset` the connection."""

    async def act(connection: ScriptedConnection) -> None:
        for piece in pieces:
            await connection.send(piece)
        if ends == "close":
            connection.close()
        elif ends == "reset":
            connection.reset()

    return act


def answer(body: bytes = b"", *, status: str = "200 OK", fields: tuple[str, ...] = ()) -> bytes:
    """The bytes of an answer with a length."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def reply(body: bytes = b"", *, status: str = "200 OK", fields: tuple[str, ...] = ()) -> Step:
    """A whole answer with a length."""
    return raw(answer(body, status=status, fields=fields))


def gated(first: bytes, gate: asyncio.Event, second: bytes = b"") -> Step:
    """Some bytes, and the others when the gate opens."""

    async def act(connection: ScriptedConnection) -> None:
        if first:
            await connection.send(first)
        await gate.wait()
        await connection.send(second)

    return act


def hang() -> Step:
    """Never an answer; ends when the gateway closes the connection."""

    async def act(connection: ScriptedConnection) -> None:
        await connection.reader.readexactly(1)

    return act
