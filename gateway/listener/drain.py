"""Closing a listening socket without losing a connection that the kernel has taken, or is taking, for it."""

import asyncio
import ctypes
import socket
import struct
import sys
from typing import Final

_HANDSHAKE_SECONDS: Final = 0.2
"""Longer than a handshake that has begun takes to end, in a data centre."""

_SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h
_TCP_FLAGS: Final = 13  # offset in a TCP header (RFC 9293 3.1)
_SYN_ACK, _SYN = 0x12, 0x02
_DROP_SYN: Final = (
    (0x30, 0, 0, _TCP_FLAGS),  # ldb [13]
    (0x54, 0, 0, _SYN_ACK),  # and #SYN|ACK
    (0x15, 0, 1, _SYN),  # jeq #SYN, next, over
    (0x06, 0, 0, 0),  # ret #0: drop
    (0x06, 0, 0, 0xFFFFFFFF),  # ret #-1: pass
)
"""Classic BPF (Linux: Documentation/networking/filter.rst): a new connection's first packet is dropped."""


async def stop_accepting(server: asyncio.Server) -> None:
    """Close a listener without losing a connection that the kernel has taken or is taking for it.

    Closing a socket resets what waits in its backlog, and handshakes that have begun, even if others listen
    on the port (`SO_REUSEPORT`).
    So new ones are left to others first: their first packet is dropped, and sent again after a second, when
    the kernel picks among those that still listen. What had begun ends meanwhile, and is accepted.
    """
    for sock in server.sockets:
        if refuse_handshakes(sock):
            await asyncio.sleep(_HANDSHAKE_SECONDS)
    server.close()


def refuse_handshakes(sock: socket.socket) -> bool:
    """Have the kernel drop the first packet of each new connection.

    False where it does not: not Linux, or a sandbox or kernel that lets only root attach filters.
    """
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN))
    with socket.socket(fileno=socket.dup(sock.fileno())) as own:  # uvloop lends a look at its own only
        try:
            own.setsockopt(
                socket.SOL_SOCKET,
                _SO_ATTACH_FILTER,
                struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program)),
            )
        except OSError:
            return False
    return True
