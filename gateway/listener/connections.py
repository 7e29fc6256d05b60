"""How many connections may be open, in all and from one address, and how long each may be idle or slow.

`docs/design.md` 4.1 and 5 say why. `caller_connection.py` closes those that are too slow.
"""

import asyncio
import fcntl
import ipaddress
import select
import sys
import termios
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_TOLD_SHARE: Final = 10
"""Up to one tenth above the limit are answered 503; anything beyond that is closed without an answer."""
_LEAST_TOLD: Final = 100
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)
_RESET: Final = select.POLLERR | select.POLLHUP
"""`poll` reports errors and resets in any case; on Linux this adds an orderly close."""
_IPV6_PREFIX: Final = 64  # what one subscriber has (RFC 6177)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times in seconds. A reload replaces the whole value."""

    connections: int = 10_000
    connections_per_address: int = 8_000
    idle_seconds: float = 75.0
    head_seconds: float = 10.0
    write_seconds: float = 30.0


class Closed(StrEnum):
    """Why the gateway closed a connection."""

    IDLE = "idle"
    HEAD_TIMEOUT = "head_timeout"
    SLOW_READER = "slow_reader"
    REFUSED = "refused"  # over the limit: answered 503
    CUT_OFF = "cut_off"  # far over the limit: closed without an answer


class ConnectionTracker:
    """Counts of one data port, on its loop; read from other threads."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.open = 0
        self.accepted = 0
        self.closed: Counter[Closed] = Counter()
        self._by_address: dict[str, int] = {}  # a `Counter` calls functions of Python's

    def enter(self, address: str) -> Closed | None:
        """Count a connection. Returns how to reject it, or None if it is accepted; `leave` always follows."""
        self.open += 1
        self.accepted += 1
        self._by_address[address] = here = self._by_address.get(address, 0) + 1
        limits = self.limits
        if self.open <= limits.connections and here <= limits.connections_per_address:
            return None
        most_told = limits.connections + max(_LEAST_TOLD, limits.connections // _TOLD_SHARE)
        fate = Closed.REFUSED if self.open <= most_told else Closed.CUT_OFF
        self.closed[fate] += 1
        return fate

    def leave(self, address: str) -> None:
        """The connection has ended."""
        self.open -= 1
        left = self._by_address[address] - 1
        if left:
            self._by_address[address] = left
        else:
            del self._by_address[address]  # addresses without connections take no memory


def name_address(peername: Any) -> str:
    """What connections are counted by: an IPv4 address, an IPv6 /64, or '' for a Unix socket."""
    if not isinstance(peername, tuple):
        return ""
    text = str(peername[0]).partition("%")[0]
    if ":" not in text:
        return text
    address = ipaddress.IPv6Address(text)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))


def has_unread(transport: asyncio.BaseTransport | None) -> bool:
    """Whether the kernel holds bytes of the caller that were not read yet."""
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return False
    looking = select.poll()
    looking.register(sock.fileno(), select.POLLIN)
    return bool(looking.poll(0))


def watch_hang_up(transport: asyncio.BaseTransport | None) -> "select.poll | None":
    """A poll object: `poll(0)` is not empty once the kernel knows that the caller has closed or reset its
    connection, which the event loop may not have noticed yet. Only valid while the transport is open."""
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return None
    looking = select.poll()
    looking.register(sock.fileno(), _HUNG_UP)
    return looking


def has_taken_all(transport: asyncio.WriteTransport, seen: int) -> bool:
    """Whether a caller that has closed its sending side, or more, was there for the bytes just written.

    `seen` is what `poll` shows after the write, which the event loops make at once, under TLS as well. A
    caller that had left answers the bytes with a reset; one that was there has them in its kernel (SIOCOUTQ
    of tcp(7)).
    """
    if seen & _RESET or transport.get_write_buffer_size():
        return False
    left = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return not int.from_bytes(left, sys.byteorder)
