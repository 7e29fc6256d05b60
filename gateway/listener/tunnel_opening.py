"""What opens a tunnel: a CONNECT that was judged, or one whose bytes opened a tunnel before."""

import asyncio
import ssl
import time

from gateway.errors import Refusal
from gateway.http.tunnel import Tunnel, require_connect
from gateway.identity.authentication import identified_until
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.request import Request
from gateway.listener.tunnels import CONNECT, UNIDENTIFIED_SECONDS, OpenTunnel, TunnelBounds
from gateway.policy.snapshot import Snapshot
from gateway.policy.tunnel_destinations import require_destination


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
    known_until = identified_until(snapshot.identities, tunnel, caller.certificate, time.time())
    if not known_until:
        bounds.require_room(caller.address)
    opened = _open(bounds, caller, tunnel, contexts(tunnel.host), bool(known_until))
    request.accept_tunnel(opened)
    if request.head and caller.certificate is None:
        bounds.known.keep(request.head, tunnel, known_until)


def recall_tunnel(data: bytes, caller: CallerTransport, bounds: TunnelBounds) -> OpenTunnel | None:
    """Answer `data`, if it is a CONNECT that opened a tunnel before; None if it has to be judged."""
    contexts = bounds.contexts
    if contexts is None or not data.startswith(CONNECT):
        return None
    if caller.certificate is not None or caller.refused or caller.tunnel is not None:
        return None
    known = bounds.known.find(data)
    if known is None:
        return None
    host, begin, end, known_until = known
    identified = time.time() < known_until
    if not identified and (known_until or not bounds.has_room(caller.address)):
        return None
    opened = _open(bounds, caller, Tunnel(host, data[begin:end] or None), contexts(host), identified)
    try:
        caller.accept_tunnel(opened)
    except ConnectionResetError:  # it is gone, which the handler records
        return None
    return opened


def _open(
    bounds: TunnelBounds, caller: CallerTransport, tunnel: Tunnel, context: ssl.SSLContext, identified: bool
) -> OpenTunnel:
    until = asyncio.get_running_loop().time() + UNIDENTIFIED_SECONDS
    return OpenTunnel(bounds, caller.address, tunnel, context, until, identified=identified)
