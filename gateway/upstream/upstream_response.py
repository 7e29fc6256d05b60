"""An answer as it comes off an upstream connection: the part of `ClientResponse` that a relay looks at."""

from typing import Any

from aiohttp import ClientPayloadError, ClientResponse, HttpVersion, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy


class Reply:
    """Named as in `ClientResponse`, which takes its place where a body is streamed up.

    The connection goes back to the pool when the body has been read to its end, and is closed by `close`.
    """

    __slots__ = ("_connection", "content", "headers", "method", "raw_headers", "reason", "status", "version")

    def __init__(self, method: str, message: Any, content: StreamReader, connection: Connection) -> None:
        self.method = method
        self.version: HttpVersion | None = message.version
        self.status: int = message.code
        self.reason: str | None = message.reason
        self.headers: CIMultiDictProxy[str] = message.headers
        self.raw_headers: tuple[tuple[bytes, bytes], ...] = message.raw_headers
        self.content = content
        self._connection: Connection | None = connection
        content.on_eof(self.release)

    @property
    def connection(self) -> Connection | None:
        """The connection, as long as the answer holds it."""
        return self._connection

    def release(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def close(self) -> None:
        """Give up what is unread; the connection is not used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


AnyReply = Reply | ClientResponse


async def read_head(protocol: ResponseHandler, method: str, connection: Connection) -> Reply:
    """Wait for the head of an answer, past interim ones (RFC 9110 15.2).

    Raises `ClientPayloadError` for what is not HTTP, and what aiohttp raises for a broken connection.
    """
    while True:
        try:
            message, content = await protocol.read()
        except HttpProcessingError as error:
            raise ClientPayloadError("the answer's head is not HTTP") from error
        if not 100 <= message.code <= 199 or message.code == 101:
            return Reply(method, message, content, connection)
