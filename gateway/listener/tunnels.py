"""The tunnels of one listener (CONNECT): which are open, which may be, and which heads opened one before.

A tunnel whose caller is not known yet has ten seconds to send a head inside, and is bounded by address, as
TLS handshakes are: nothing else would keep one address from holding thousands of them.
"""

import hashlib
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.http.tunnel import Tunnel, enter_tunnel

UNIDENTIFIED_SECONDS = 10.0
"""For the handshake, and for the first head inside, together."""
UNIDENTIFIED_AT_ONCE = 1000
UNIDENTIFIED_PER_ADDRESS = 500
CONNECT: Final = b"CONNECT "
"""What the head of a request for a tunnel begins with: methods are case-sensitive (RFC 9110 9.1)."""
_MAX_CONNECTS: Final = 256


class KnownConnect(NamedTuple):
    """What follows from the head of a CONNECT. `begin` and `end` are where the value of Proxy-Authorization
    stands in it, both 0 without one; `identified_until` is in seconds since the epoch, 0 if it says nothing.
    """

    host: str
    begin: int
    end: int
    identified_until: float


class KnownConnects:
    """The heads that opened a tunnel, for connections without a client certificate and one configuration.

    A client without a connection pool sends the same CONNECT each time. Kept is the digest of the head's
    bytes, so that no key outlives its connection here, and the time of a look-up tells nothing of one.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, KnownConnect] = {}

    def clear(self) -> None:
        """Another configuration holds."""
        self._known.clear()

    def keep(self, head: bytes, tunnel: Tunnel, identified_until: float) -> None:
        """`head` opened this tunnel."""
        value = tunnel.proxy_authorization or b""
        begin = head.find(value) if value else 0
        if begin < 0:
            return
        if len(self._known) >= _MAX_CONNECTS:
            self._known.clear()
        known = KnownConnect(tunnel.host, begin, begin + len(value), identified_until)
        self._known[_digest(head)] = known

    def find(self, data: bytes) -> KnownConnect | None:
        """What follows from `data`, if it is such a head, whole and alone."""
        return self._known.get(_digest(data)) if self._known else None


def _digest(head: bytes) -> bytes:
    return hashlib.blake2b(head, digest_size=32).digest()


class TunnelBounds:
    """Counts tunnels, on the listener's loop; read from other threads.

    `contexts` gives the TLS context of a name, minted if need be; it is None while no `ca` is configured, and
    may be replaced at any time.
    """

    def __init__(self, on_failure: Callable[[str, str], object] = lambda reason, words: None) -> None:
        """`on_failure` is called with OpenSSL's reason for a handshake that failed, and its words."""
        self.contexts: Callable[[str], ssl.SSLContext] | None = None
        self.known = KnownConnects()
        self.open = 0
        self.opened = 0
        """Since the start."""
        self.failures: Counter[str] = Counter()
        """Handshakes inside that failed, by OpenSSL's name of the reason, a bounded set."""
        self._unidentified: dict[str, int] = {}  # by address; a `Counter` calls functions of Python's
        self._unidentified_total = 0
        self._on_failure = on_failure

    def has_room(self, address: str) -> bool:
        """Whether there may be one more tunnel whose caller is not known."""
        crowded = self._unidentified_total >= UNIDENTIFIED_AT_ONCE
        return not crowded and self._unidentified.get(address, 0) < UNIDENTIFIED_PER_ADDRESS

    def require_room(self, address: str) -> None:
        """Raises `Refusal` (503) if there are too many tunnels whose callers are not known."""
        if not self.has_room(address):
            raise Refusal(
                "too_many_connections",
                "Too many tunnels without a consumer key are open: put the key into the proxy's URL, or send "
                "a request inside.",
                closes=True,
                headers=(("Retry-After", "1"),),
            )

    def failed(self, error: ssl.SSLError) -> None:
        """Count and report a handshake that OpenSSL refused."""
        reason = error.reason or type(error).__name__
        self.failures[reason] += 1
        self._on_failure(reason, "")

    def enter(self, address: str, *, identified: bool) -> None:
        """A tunnel was opened."""
        self.open += 1
        self.opened += 1
        if not identified:
            self._unidentified_total += 1
            self._unidentified[address] = self._unidentified.get(address, 0) + 1

    def identify(self, address: str) -> None:
        """The caller of a tunnel is known now."""
        self._unidentified_total -= 1
        left = self._unidentified[address] - 1
        if left:
            self._unidentified[address] = left
        else:
            del self._unidentified[address]  # addresses without connections take no memory

    def leave(self, address: str, *, identified: bool) -> None:
        """A tunnel has ended."""
        self.open -= 1
        if not identified:
            self.identify(address)


_NEVER: Final = float("inf")


class OpenTunnel:
    """One tunnel, from the answer to CONNECT to the end of its connection. `until` is the loop's clock."""

    __slots__ = ("_address", "_bounds", "_ended", "context", "identified", "tunnel", "until")

    def __init__(
        self,
        bounds: TunnelBounds,
        address: str,
        tunnel: Tunnel,
        context: ssl.SSLContext,
        until: float,
        *,
        identified: bool,
    ) -> None:
        self._bounds = bounds
        self._address = address
        self._ended = False
        self.tunnel = tunnel
        self.context = context
        self.until = until
        """Until then the first head inside must have come."""
        self.identified = identified
        bounds.enter(address, identified=identified)

    def enter(self, inbound: Inbound) -> Inbound:
        """A head came inside, so the tunnel counts as a connection. Raises `Refusal` (421)."""
        self.head_came()
        return enter_tunnel(self.tunnel, inbound)

    def head_came(self) -> None:
        """The same, for a head that was judged in a tunnel like this one."""
        self.until = _NEVER

    def within(self, seconds: float, now: float) -> float:
        """Less for a caller that is not known: its tunnel may not be kept for long without a request."""
        return seconds if self.identified else max(0.0, min(seconds, self.until - now))

    def identify(self) -> None:
        """Its caller is known."""
        if not self.identified and not self._ended:
            self.identified = True
            self._bounds.identify(self._address)

    def named(self, server_name: str | None) -> None:
        """The handshake is done; it asked for this name."""
        host, proxy_authorization, _ = self.tunnel
        self.tunnel = Tunnel(host, proxy_authorization, server_name)

    def failed(self, error: ssl.SSLError) -> None:
        """The handshake was refused."""
        self._bounds.failed(error)

    def end(self) -> None:
        """Its connection has ended. A second call does nothing."""
        if not self._ended:
            self._ended = True
            self._bounds.leave(self._address, identified=self.identified)
