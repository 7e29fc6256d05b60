"""A caller on a bare socket: sends exact bytes, and takes answers apart without forgiving anything."""

import asyncio
import os
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.support.raw_message import RawMessage
from tests.support.running import KEY

AUTHORIZATION = "Basic " + b64encode(f"app:{KEY}".encode()).decode()
MESSAGES = "/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff/Messages.json"
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class RawAnswer(RawMessage):
    """One answer: its whole head, and its content; `raw_body` has the framing too."""

    head: bytes
    body: bytes
    raw_body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(b" ", 2)[1])

    def value(self, name: str) -> str:
        """The value of a field that comes once, or ''."""
        values = self.values(name)
        assert len(values) < 2, values
        return values[0] if values else ""

    @property
    def slug(self) -> str:
        """`Gateway-Error`, or ''."""
        return self.value("Gateway-Error")


class RawCaller:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._answered = False

    async def send(self, data: bytes) -> None:
        """Write and wait until it is taken."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, method: str = "GET", seconds: float = 60) -> RawAnswer:
        """The next final or interim answer. Raises `IncompleteReadError` if the connection ends before."""
        async with asyncio.timeout(seconds):
            head = await self.reader.readuntil(b"\r\n\r\n")
            self._answered = True
            found = RawAnswer(head, b"", b"")
            if method == "HEAD" or found.status in (204, 304) or found.status < 200:
                return found
            if found.value("transfer-encoding"):
                return await self._read_chunked(found)
            length = found.value("content-length")
            body = await (self.reader.readexactly(int(length)) if length else self.reader.read())
            return RawAnswer(head, body, body)

    async def _read_chunked(self, found: RawAnswer) -> RawAnswer:
        assert found.value("transfer-encoding") == "chunked"
        assert not found.value("content-length")
        size = -1
        while size:
            line = await self.reader.readuntil(b"\r\n")
            size = int(line, 16)
            content = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            found.body += content
            found.raw_body += line + content + b"\r\n"
        return found

    async def until(self, end: bytes) -> bytes:
        """Everything up to and with `end`, however long."""
        async with asyncio.timeout(120):
            kept = b""
            while not kept.endswith(end):
                kept += await self.reader.readexactly(1)
            return kept

    async def rest(self) -> bytes:
        """Everything until the gateway closes."""
        async with asyncio.timeout(120):
            kept = b""
            with suppress(ConnectionError):
                while block := await self.reader.read(1 << 16):
                    kept += block
            return kept

    def is_answered(self) -> bool:
        """Whether anything of an answer has come, though it may be unread, in our buffer or the kernel's."""
        buffered: bytearray = self.reader._buffer  # type: ignore[attr-defined]
        sock = self.writer.get_extra_info("socket")
        if self._answered or buffered or sock is None or sock.fileno() < 0:
            return self._answered or bool(buffered)
        with (
            socket.socket(fileno=os.dup(sock.fileno())) as looking,
            suppress(BlockingIOError, ConnectionError),
        ):
            return bool(looking.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    def hang_up(self) -> None:
        """RST, before this returns: `abort` alone closes the socket a turn of the loop later."""
        transport, sock = self.writer.transport, self.writer.get_extra_info("socket")
        open_still = not transport.is_closing() and sock is not None and sock.fileno() >= 0
        if open_still:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        if open_still:
            with socket.socket() as another:  # takes its place, which closes it
                os.dup2(another.fileno(), sock.fileno(), inheritable=False)


@asynccontextmanager
async def raw_caller(
    port: int, *, receive_buffer: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawCaller]:
    """A connection to the gateway's data port; `receive_buffer` in bytes makes for a slow reader."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    reader, writer = await asyncio.open_connection(
        sock=sock, limit=receive_buffer or 1 << 16, ssl=tls, server_hostname="localhost" if tls else None
    )
    try:
        yield RawCaller(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request(
    line: str, *fields: str, body: bytes = b"", version: str = "1.1", auth: str | None = AUTHORIZATION
) -> bytes:
    """A request with Host and key; a body gets its length unless a field says how it is framed."""
    framed = any(field.lower().startswith(("content-length", "transfer-encoding")) for field in fields)
    lines = [f"{line} HTTP/{version}", "Host: gateway.test", *fields]
    if auth is not None:
        lines.append(f"Authorization: {auth}")
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def ask(port: int, data: bytes, method: str = "GET", *, tls: ssl.SSLContext | None = None) -> RawAnswer:
    """One request on a connection of its own."""
    async with raw_caller(port, tls=tls) as caller:
        await caller.send(data)
        return await caller.answer(method)


async def ask_admin(port: int, path: str, *, host: str = "localhost", fields: str = "") -> RawAnswer:
    """One GET at the admin port; `fields` are whole lines."""
    return await ask(
        port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n".encode()
    )
