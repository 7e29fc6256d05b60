"""What tests of attempts share: requests by what may be done twice, steps of Twilio's own errors, waiting."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.caller import FORM, MESSAGES, RawAnswer, request
from tests.support.upstream import RawUpstream, ScriptedConnection, Step, reply

INSTANCE = "/conversations/v2/Conversations/CH0"
JSON = "Content-Type: application/json"
REPEATS = "Gateway-Repeat: allow"
"""What these requests are about is not the repeat guard."""
ONCE_IS_TWICE = {
    "GET": request(f"GET {MESSAGES}"),
    "HEAD": request(f"HEAD {MESSAGES}"),
    "DELETE": request(f"DELETE {MESSAGES[:-5]}/SM0.json"),
    "PUT to an instance": request(f"PUT {INSTANCE}", JSON, body=b"{}"),
}
ONCE_ONLY = {
    "POST": request(f"POST {MESSAGES}", FORM, REPEATS, body=b"To=%2B1"),
    "PATCH": request(f"PATCH {INSTANCE}", JSON, body=b"{}"),
    "PUT to a collection": request(f"PUT {MESSAGES}", FORM, body=b"To=%2B1"),
}
GET, POST, DELETE = ONCE_IS_TWICE["GET"], ONCE_ONLY["POST"], ONCE_IS_TWICE["DELETE"]
SOON = {"initial_backoff_seconds": 0.001, "max_backoff_seconds": 0.01}
OK = reply(b"{}")


def coded(code: int, status: str = "429 Too Many Requests", *fields: str) -> Step:
    """One of Twilio's own errors."""
    return reply(b'{"code": %d, "message": "no"}' % code, status=status, fields=fields)


SIGNAL = coded(20429)


class _HeadOnly(ScriptedConnection):
    async def send(self, data: bytes) -> None:
        await super().send(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def head_only(step: Step) -> Step:
    """The same as an answer to HEAD: without its body."""

    async def act(connection: ScriptedConnection) -> None:
        cut = _HeadOnly(connection.reader, connection.writer, connection.number, connection.received)
        await step(cut)
        connection.ended = cut.ended

    return act


class ClosedUpstream:
    """A port where nobody listens, until somebody does."""

    def __init__(self, sock: socket.socket) -> None:
        self.upstream = RawUpstream()
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        self._sock = sock

    async def listen(self) -> None:
        """From now on connections are taken."""
        self.server = await asyncio.start_server(self.upstream._accept, sock=self._sock)


@asynccontextmanager
async def closed_upstream() -> AsyncIterator[ClosedUpstream]:
    """A `ClosedUpstream` on a port of its own."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = ClosedUpstream(sock)
        try:
            yield closed
        finally:
            if hasattr(closed, "server"):
                closed.server.close()
                await closed.server.wait_closed()


async def until(met: Callable[[], bool]) -> None:
    """Wait for something that only the gateway's state tells."""
    async with asyncio.timeout(120):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def attempts(got: RawAnswer, upstream: RawUpstream) -> int:
    """How many reached the upstream, which is what the answer says."""
    assert got.value("Gateway-Attempts") == str(len(upstream.received))
    return len(upstream.received)


def with_field(given: bytes, field: str) -> bytes:
    head, _, rest = given.partition(b"\r\n")
    return head + b"\r\n" + field.encode() + b"\r\n" + rest
