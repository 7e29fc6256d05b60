"""The time between CONNECT's answer and the first request inside, and what opens a tunnel at all."""

import asyncio
import time
from typing import Final, Protocol

from gateway.errors import Refusal
from gateway.http.tunnel import Tunnel, require_connect
from gateway.identity.authentication import is_identified
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.connection_scope import ConnectionScope
from gateway.listener.connections import Closed
from gateway.listener.request import Request
from gateway.listener.tunnel_transport import InnerConnection, TunnelTransport
from gateway.listener.tunnels import UNIDENTIFIED_SECONDS, OpenTunnel, TunnelBounds
from gateway.policy.snapshot import Snapshot
from gateway.policy.tunnel_destinations import require_destination

_HANDSHAKE_SECONDS: Final = 10.0


def open_tunnel(request: Request, snapshot: Snapshot, bounds: TunnelBounds) -> None:
    """Answer a CONNECT that may pass. Raises `Refusal`.

    Who calls is not judged here, for clients hide what a proxy says from their users; only how long an
    unknown caller may keep a tunnel depends on it.
    """
    caller = request.caller
    if caller.tunnel is not None:
        raise Refusal("tunnel_in_tunnel", "This is a tunnel already: send the request itself.", closes=True)
    contexts = bounds.contexts
    if contexts is None:
        raise Refusal(
            "connect_unsupported",
            "CONNECT needs a CA: run `gateway ca init DIR` and configure `ca`; or send absolute-form "
            "requests (http://api.twilio.com/…), or set the SDK's base URL.",
            closes=True,
        )
    connect = require_connect(request.target, request.version, request.raw_fields)
    tunnel = Tunnel(require_destination(snapshot.hosts, connect), connect.proxy_authorization)
    known = is_identified(snapshot.identities, tunnel, caller.certificate, time.time())
    if not known:
        bounds.require_room(caller.address)
    context = contexts(tunnel.host)
    until = asyncio.get_running_loop().time() + UNIDENTIFIED_SECONDS
    request.accept_tunnel(OpenTunnel(bounds, caller.address, tunnel, context, until, identified=known))


class TunnelledConnection(InnerConnection, Protocol):
    """A connection that begins once a handshake is done."""

    def begin_inside(self, transport: asyncio.Transport, outer: CallerTransport) -> None:
        """Read requests from `transport`; `outer` says who connected."""
        ...


class TunnelHandshake:
    """An `OpenConnection` of its listener, for as long as TLS inside a tunnel is not there yet."""

    task = None

    def __init__(
        self,
        scope: ConnectionScope,
        loop: asyncio.AbstractEventLoop,
        outer: asyncio.Transport,
        caller: CallerTransport,
        opened: OpenTunnel,
        inner: TunnelledConnection,
    ) -> None:
        """`caller` is the connection that CONNECT came by, `inner` the one that goes on inside."""
        self._scope = scope
        self._loop = loop
        self._caller = caller
        self._opened = opened
        self._inner = inner
        self._transport = TunnelTransport(outer, opened.context, self._secured, opened.failed, self._lost)
        self._timer = loop.call_later(_HANDSHAKE_SECONDS, self._is_late)

    def begin(self, received: bytes) -> None:
        """Shake hands; `received` came behind CONNECT's head already."""
        self._scope.enter(self)
        self._transport.begin(received)

    def shorten_idling(self, seconds: float) -> None:
        """Wait for so long at most from now on."""
        self._timer.cancel()
        self._timer = self._loop.call_later(min(seconds, _HANDSHAKE_SECONDS), self._is_late)

    def abort(self) -> None:
        """Break it off."""
        self._transport.abort()

    def _is_late(self) -> None:
        self._scope.tracker.closed[Closed.HEAD_TIMEOUT] += 1
        self._transport.abort()

    def _secured(self, transport: TunnelTransport) -> InnerConnection:
        self._timer.cancel()
        asked = self._opened.tunnel
        self._opened.tunnel = Tunnel(asked.host, asked.proxy_authorization, transport.server_name)
        self._inner.begin_inside(transport, self._caller)
        self._scope.leave(self)
        return self._inner

    def _lost(self) -> None:
        self._timer.cancel()
        self._caller.lost()
        self._scope.tracker.leave(self._caller.address)
        self._scope.leave(self)
