"""The heads that ended connections knew, kept for a few seconds for the next connection of the same caller.

A client without a connection pool makes a connection, or a tunnel, for each request, and sends the same head
each time (docs/adr/0020). Heads go to one connection at a time, and only to one that shows what the former
did: the same tunnel around it, and the same Authorization. What they hold of credentials is gone soon.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from typing import Final, NamedTuple

from gateway.http.tunnel import Tunnel
from gateway.identity.client_certificates import PeerCertificate
from gateway.listener.known_heads import HeadBudget, KnownHeads

PARKED_SECONDS: Final = 10.0
_MAX_PARKED: Final = 256
"""Connections whose heads are kept; those that ended first go first."""
_AUTHORIZATION: Final = re.compile(rb"\r\n[Aa]uthorization: ([^\r\n]+)\r\n")


class Owner(NamedTuple):
    """What two connections have in common whose heads may be shared; of keys only digests (BLAKE2: a
    short one costs a fifth of what OpenSSL's SHA-256 does, which is looked up by name each time).

    `host`, `server_name` and `proxy_key` are the tunnel's (`Tunnel`), empty outside of one.
    """

    key: bytes
    host: str
    server_name: str | None
    proxy_key: bytes


def find_owner(certificate: PeerCertificate | None, tunnel: Tunnel | None, data: bytes) -> Owner | None:
    """Of a connection with these proofs whose first head is in `data`; None where nothing is shared."""
    if certificate is not None:  # it is part of what is decided
        return None
    end = data.find(b"\r\n\r\n")
    shown = _AUTHORIZATION.search(data, 0, end + 2) if end > 0 else None
    if shown is None:
        return None
    key = hashlib.blake2b(shown[1], digest_size=32).digest()
    if tunnel is None:
        return Owner(key, "", None, b"")
    host, proxy_key, server_name = tunnel
    proxy_digest = hashlib.blake2b(proxy_key, digest_size=32).digest() if proxy_key else b""
    return Owner(key, host, server_name, proxy_digest)


class ParkedHeads:
    """Of one listener, on its loop."""

    def __init__(self, budget: HeadBudget) -> None:
        """`budget` counts what is parked along with what connections know."""
        self._budget = budget
        self._parked: OrderedDict[KnownHeads, tuple[Owner, float]] = OrderedDict()  # by the loop's clock
        self._of_owner: dict[Owner, list[KnownHeads]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, owner: Owner) -> KnownHeads | None:
        """Take the heads that its last connection knew; they now belong to this one alone."""
        found = self._of_owner.get(owner)
        if not found:
            return None
        known = found.pop()
        if not found:
            del self._of_owner[owner]
        del self._parked[known]
        return known

    def park(self, owner: Owner, known: KnownHeads) -> None:
        """Keep them for a while: their connection has ended."""
        if known.empty:
            self._budget.leave(known)
            return
        loop = asyncio.get_running_loop()
        self._parked[known] = owner, loop.time() + PARKED_SECONDS
        self._of_owner.setdefault(owner, []).append(known)
        if len(self._parked) > _MAX_PARKED:
            self._drop_first()
        if self._timer is None:
            self._timer = loop.call_later(PARKED_SECONDS, self._drop_old)

    def clear(self) -> None:
        """Keep none of them: another configuration holds, or the listener ends."""
        while self._parked:
            self._drop_first()

    def _drop_first(self) -> None:
        known, (owner, _) = self._parked.popitem(last=False)
        found = self._of_owner[owner]
        found.remove(known)
        if not found:
            del self._of_owner[owner]
        self._budget.leave(known)

    def _drop_old(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        while self._parked:
            _, until = next(iter(self._parked.values()))
            if until > now:
                self._timer = loop.call_at(until, self._drop_old)
                return
            self._drop_first()
