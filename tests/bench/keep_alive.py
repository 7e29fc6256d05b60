"""Callers that keep connections alive and repeat only what HTTP permits (RFC 9110 9.2.2, RFC 9112 9.3.1).

A connection that was found closed before a byte was written is replaced. A GET whose kept connection ended
before a byte of the answer is sent once more; a POST never is. All else that is no answer is a failure.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field


class FailedError(Exception):
    """An exchange that a caller would have had to explain to somebody."""


@dataclass
class Tally:
    """What the callers met."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    created: int = 0
    replaced: int = 0
    """Kept connections that had been closed before they were used again."""
    repeated: int = 0
    """GETs sent a second time."""
    slowest_seconds: float = 0.0


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = False

    @property
    def closed(self) -> bool:
        return self.reader.at_eof() or self.writer.is_closing()

    async def ask(self, data: bytes) -> tuple[int, bool]:
        """(status, whether the connection may be kept). Raises `ConnectionError`, `EOFError`."""
        self.writer.write(data)
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        length = int(fields.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        await self.reader.readexactly(length)
        self.used = True
        return int(head.split(b" ", 2)[1]), b"\r\nconnection: close\r\n" not in fields


class Callers:
    """A pool as an SDK has it: the connection that was given back last is used first."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port = port
        self._tally = tally
        self._pool: list[_Connection] = []

    async def ask(self, method: str, data: bytes) -> None:
        """One exchange, counted."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(40):
                status = await self._exchange(method, data)
        except (OSError, EOFError, TimeoutError) as error:
            self._tally.failures.append(f"{method}: {type(error).__name__}: {error}")
            return
        finally:
            self._tally.slowest_seconds = max(self._tally.slowest_seconds, loop.time() - began)
        self._tally.statuses[status] += 1
        self._tally.created += status == 201
        if status not in (200, 201):
            self._tally.failures.append(f"{method}: {status}")

    async def _exchange(self, method: str, data: bytes) -> int:
        connection = await self._connect()
        try:
            return await self._ask(connection, data)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            partial = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
            connection.writer.close()
            if method != "GET" or not connection.used or partial:
                raise
            self._tally.repeated += 1
            return await self._ask(await self._open(), data)

    async def _ask(self, connection: _Connection, data: bytes) -> int:
        status, keeps = await connection.ask(data)
        if keeps:
            self._pool.append(connection)
        else:
            connection.writer.close()
        return status

    async def _connect(self) -> _Connection:
        while self._pool:
            connection = self._pool.pop()
            if not connection.closed:
                return connection
            self._tally.replaced += 1
            connection.writer.close()
        return await self._open()

    async def _open(self) -> _Connection:
        return _Connection(*await asyncio.open_connection("127.0.0.1", self._port))

    def close(self) -> None:
        """Hang up."""
        for connection in self._pool:
            connection.writer.close()
