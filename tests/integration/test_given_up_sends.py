"""A request that was given up does not arrive afterwards: what Twilio has not taken is dropped with it."""

import asyncio
import socket

from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import running_gateway

BODY = b"To=%2B15550100&From=%2B15550101&Body=" + b"a" * 60_000
_LITTLE = 4096


async def test_what_was_not_taken_is_never_sent_once_the_create_is_given_up() -> None:
    """The kernel would go on for minutes, long after looks have shown that the message is absent."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with running_gateway(url, upstream={"deadline_seconds": 1}) as gateway:
            got = await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=BODY))
            assert (got.status, got.slug, got.value("Gateway-Outcome")) == (
                504,
                "upstream_timeout",
                "unknown",
            )
            taken = await asyncio.to_thread(_read_all, listening)
    assert b"Body=" in taken
    assert len(taken) < len(BODY)


def _read_all(listening: socket.socket) -> bytes:
    """What the peer has, in the end."""
    accepted, _ = listening.accept()
    taken = b""
    with accepted:
        accepted.settimeout(60)
        try:
            while block := accepted.recv(1 << 16):
                taken += block
        except ConnectionResetError:
            pass
    return taken
