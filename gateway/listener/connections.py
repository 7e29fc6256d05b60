"""What one connection, or one address, may cost the gateway: how many, how slow, how long (design 4.1, 5).

`ConnectionTracker` counts connections and says which are too many; `PatientProtocol` closes those that send
their head or take their answer too slowly. It leans on private parts of aiohttp.
"""

import asyncio
import ipaddress
import select
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

from gateway.errors import Refusal
from gateway.listener.chunk_guard import StrictFraming

_REFUSED_SECONDS = 2.0
"""So long a connection that is one too many is kept, to tell it so."""
LAST_IDLE_SECONDS = 1.0
"""How long a connection may still be idle while draining: closing it at once races with a request."""
_LOOK_AGAIN_SECONDS = 0.05
_TOLD_SHARE = 10
"""One in ten more connections than there may be are told; what comes on top of those is cut off unheard."""
_LEAST_TOLD = 100
_IPV6_PREFIX = 64  # what one subscriber has (RFC 6177)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times in seconds. A reload replaces the whole value."""

    connections: int = 10_000
    connections_per_address: int = 8_000
    idle_seconds: float = 75.0
    head_seconds: float = 10.0
    write_seconds: float = 30.0


class Closed(StrEnum):
    """Why the gateway closed a connection by itself."""

    IDLE = "idle"
    HEAD_TIMEOUT = "head_timeout"
    SLOW_READER = "slow_reader"
    REFUSED = "refused"  # one too many, and told so
    CUT_OFF = "cut_off"  # far too many: no answer


class HeadTimeoutError(Exception):
    """The head of a request did not come in time."""


class ConnectionTracker:
    """Counts of one data port, on its loop; read from other threads."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.open = 0
        self.accepted = 0
        self.closed: Counter[Closed] = Counter()
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> Closed | None:
        """Count a connection in, and say what becomes of it if it is one too many. `leave` follows always."""
        self.open += 1
        self.accepted += 1
        self._by_address[address] += 1
        limits = self.limits
        if self.open <= limits.connections and self._by_address[address] <= limits.connections_per_address:
            return None
        most_told = limits.connections + max(_LEAST_TOLD, limits.connections // _TOLD_SHARE)
        fate = Closed.REFUSED if self.open <= most_told else Closed.CUT_OFF
        self.closed[fate] += 1
        return fate

    def leave(self, address: str) -> None:
        """The connection has ended."""
        self.open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]  # addresses that are gone take no memory


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


class PatientProtocol(StrictFraming):
    """A connection whose patience ends. `refused`: it is one too many, and its first request is told so."""

    __slots__ = ("_address", "_guests", "_head_timer", "refused", "too_slow")

    def __init__(self, manager: Any, guests: ConnectionTracker, **options: Any) -> None:
        super().__init__(manager, keepalive_timeout=guests.limits.idle_seconds, **options)
        self.refused = False
        self.too_slow = False
        self._address: str | None = None
        self._guests = guests
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection came in."""
        self._address = name_address(transport.get_extra_info("peername"))
        fate = self._guests.enter(self._address)
        if fate is Closed.CUT_OFF:
            cast(asyncio.Transport, transport).abort()  # uvloop's are no subclass of it
            return
        if fate is Closed.REFUSED:
            self.refused = True
            self._keepalive_timeout = _REFUSED_SECONDS
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone, by whose doing ever."""
        super().connection_lost(exc)
        self._forget_head()
        address, self._address = self._address, None
        if address is not None:
            self._guests.leave(address)

    def data_received(self, data: bytes) -> None:
        """Bytes came. If they are the beginning of a head, the rest of it has so much time."""
        super().data_received(data)
        if self._messages or self._request_in_progress or self._lingering:
            if self._head_timer is not None:
                self._forget_head()
        elif self._head_timer is None and data.strip(b"\r\n"):
            seconds = _REFUSED_SECONDS if self.refused else self._guests.limits.head_seconds
            self._head_timer = self._loop.call_later(seconds, self._head_is_late)

    async def _drain_helper(self) -> None:
        """Wait until the caller has taken most of what was written, or cut it off."""
        if not self._paused:
            return await super()._drain_helper()
        try:
            async with asyncio.timeout(self._guests.limits.write_seconds):
                return await super()._drain_helper()
        except TimeoutError:
            self.too_slow = True
            self._guests.closed[Closed.SLOW_READER] += 1
            if self.transport is not None:
                self.transport.abort()
            raise ConnectionResetError("the caller does not read its answer") from None

    def shorten_idling(self, seconds: float) -> None:
        """From now on, be idle for so long at most, whatever was said before."""
        self._keepalive_timeout = seconds
        self._next_keepalive_close_time = self._loop.time() + seconds
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._keepalive = True  # also one that has not brought its first request yet
        self._keepalive_handle = self._loop.call_later(seconds, self._process_keepalive)

    def _process_keepalive(self) -> None:
        was_open = not self._force_close
        if was_open and has_unread(self.transport):  # a request has come, and is about to be read
            self._keepalive_handle = self._loop.call_later(_LOOK_AGAIN_SECONDS, self._process_keepalive)
            return
        super()._process_keepalive()
        if was_open and self._force_close:
            self._guests.closed[Closed.IDLE] += 1

    def _head_is_late(self) -> None:
        """Answered as the parser's errors are, by `handle_error`."""
        self._head_timer = None
        if self._messages or self._request_in_progress or self._force_close:
            return
        self._guests.closed[Closed.HEAD_TIMEOUT] += 1
        late = _ErrInfo(status=408, exc=HeadTimeoutError(), message="")
        self._messages.append((late, EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def has_unread(transport: asyncio.BaseTransport | None) -> bool:
    """Whether the kernel holds something of the caller's that was not read yet."""
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return False
    looking = select.poll()
    looking.register(sock.fileno(), select.POLLIN)
    return bool(looking.poll(0))


def require_room(protocol: PatientProtocol) -> None:
    """Raises `Refusal` for a connection that is one too many."""
    if protocol.refused:
        raise Refusal(
            "too_many_connections",
            "Too many connections are open; keep fewer, reuse them, and try again shortly.",
            closes=True,
            headers=(("Retry-After", "1"),),
        )
