"""Whose socket is at the other end of a connection on this machine: Linux tells by /proc/net/tcp (proc(5)).

`SO_PEERCRED` is for Unix sockets only. A program that uses IPv6 sockets for IPv4, as Java does, stands in
tcp6.
"""

import socket
import struct
import sys
from pathlib import Path
from typing import Final

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED: Final = bytes(10) + b"\xff\xff"
KNOWS_PEERS: Final = sys.platform == "linux"


def find_peer_uid(peer: tuple[str, int], own: tuple[str, int]) -> int | None:
    """The user id of the socket at IPv4 address and port `peer` that is connected to `own`; None if it
    no longer exists. Reads small files of the kernel."""
    for table, is_v6 in zip(_TABLES, (False, True), strict=True):
        wanted = [_shown(peer, is_v6), _shown(own, is_v6)]
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split(None, 8)
            if fields[1:3] == wanted:
                return int(fields[7])
    return None


def _shown(address: tuple[str, int], is_v6: bool) -> str:
    """As the kernel prints it: words of 32 bits in the machine's order."""
    data = socket.inet_aton(address[0])
    words = (_MAPPED + data) if is_v6 else data
    shown = "".join(f"{word:08X}" for word in struct.unpack(f"={len(words) // 4}I", words))
    return f"{shown}:{address[1]:04X}"
