"""The proxy of `gateway run`: Twilio's hosts go to the gateway with the consumer's key, everything else
straight out, or through the proxy that was named before.

Knows the key, which the program never sees. Judges nothing that goes through it: a wrong key is refused by
the gateway, inside the tunnel.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.client_relay.former_proxies import FormerProxies, FormerProxy
from gateway.client_relay.peer_uid import KNOWS_PEERS, find_peer_uid
from gateway.client_relay.proxy_request import (
    MAX_HEAD_BYTES,
    BadProxyRequest,
    ProxyRequest,
    parse_proxy_request,
)

_HEAD_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 30.0
_CHUNK_BYTES: Final = 65_536
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"  # the PHP SDK looks for these words

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class GatewayRoute:
    """How the gateway is reached, and as whom: `authorization` is the value of Proxy-Authorization.

    `tls` is None for http; `server_name` is what its certificate names, '' for `host`. `is_twilio` says which
    hosts, in lower case, are the gateway's.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    authorization: str = field(repr=False)
    is_twilio: Callable[[str], bool]
    server_name: str = ""


class _Unreachable(Exception):
    """Nothing could be connected to. The text is for the program."""


class Relay:
    """A proxy on 127.0.0.1, from `start` to `close`."""

    def __init__(
        self, gateway: GatewayRoute, former: FormerProxies, on_failure: Callable[[str], None]
    ) -> None:
        """`on_failure` is called with what keeps the gateway from being reached."""
        self._gateway = gateway
        self._former = former
        self._on_failure = on_failure
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.port = 0

    async def start(self) -> None:
        """Open a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything that is under way."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve((reader, writer))
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the program or the other end is gone
        except asyncio.CancelledError:
            if not self._closed:
                raise  # by `close`: asyncio's streams would report it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, program: Streams) -> None:
        reader, writer = program
        if KNOWS_PEERS:
            own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
            if find_peer_uid(peer[:2], own[:2]) != os.getuid():
                await _refuse(writer, 403, "Forbidden", "This proxy belongs to another user's `gateway run`.")
                return
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            await _refuse(writer, 431, "Request Header Fields Too Large", "The head is too long.")
            return
        except TimeoutError:
            await _refuse(writer, 408, "Request Timeout", "No request came.")
            return
        try:
            request = parse_proxy_request(head)
            await self._forward(request, program)
        except BadProxyRequest as error:
            await _refuse(writer, 400, "Bad Request", str(error))
        except _Unreachable as error:
            await _refuse(writer, 502, "Bad Gateway", str(error))

    async def _forward(self, request: ProxyRequest, program: Streams) -> None:
        if self._gateway.is_twilio(request.host):
            await self._to_gateway(request, program)
            return
        proxy = self._former.find(request.scheme or "https", request.host, request.port)
        if request.is_connect:
            await self._tunnel_out(request, proxy, program)
        elif proxy is not None:
            server = await _connect(proxy.host, proxy.port, proxy.secure)
            await _pass_on(program, server, request.head(request.target, proxy.authorization))
        else:
            server = await _connect(request.host, request.port, request.scheme == "https")
            await _pass_on(program, server, request.head(request.path))

    async def _to_gateway(self, request: ProxyRequest, program: Streams) -> None:
        gateway = self._gateway
        try:
            server = await _connect(gateway.host, gateway.port, gateway.tls, gateway.server_name)
        except _Unreachable as error:
            self._on_failure(str(error))
            raise _Unreachable(f"The Twilio gateway is not there. {error}") from None
        if not request.is_connect:
            await _pass_on(program, server, request.head(request.target, gateway.authorization))
            return
        answer = await _open_tunnel(request, server, gateway.authorization)
        await _pass_on(program, server, b"", answered=answer)

    async def _tunnel_out(self, request: ProxyRequest, proxy: FormerProxy | None, program: Streams) -> None:
        if proxy is None:
            server = await _connect(request.host, request.port)
            await _pass_on(program, server, b"", answered=_ESTABLISHED)
            return
        server = await _connect(proxy.host, proxy.port, proxy.secure)
        answer = await _open_tunnel(request, server, proxy.authorization)
        await _pass_on(program, server, b"", answered=answer)


async def _connect(
    host: str, port: int, tls: ssl.SSLContext | bool | None = None, server_name: str = ""
) -> Streams:
    """Raises `_Unreachable`."""
    context = ssl.create_default_context() if tls is True else tls or None
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            name = (server_name or host) if context is not None else None
            return await asyncio.open_connection(
                host, port, ssl=context, server_hostname=name, limit=MAX_HEAD_BYTES
            )
    except TimeoutError:
        why = f"no connection within {_CONNECT_SECONDS:g} s"
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or "no address"
    raise _Unreachable(f"{host}:{port} cannot be reached: {why}.")


async def _open_tunnel(request: ProxyRequest, server: Streams, authorization: str) -> bytes:
    """Ask the next proxy for the tunnel: the head of its answer, as the program gets it. Raises
    `_Unreachable`, so that the program has an answer in any case."""
    shown = f"[{request.host}]" if ":" in request.host else request.host
    lines = [f"CONNECT {shown}:{request.port} HTTP/1.1", f"Host: {shown}:{request.port}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            server[1].write("\r\n".join([*lines, "", ""]).encode())
            await server[1].drain()
            head = await server[0].readuntil(b"\r\n\r\n")
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        server[1].close()
        raise _Unreachable("The next proxy did not answer CONNECT.") from None
    accepted = head.split(b" ", 2)[1:2] == [b"200"]
    return _ESTABLISHED if accepted else head


async def _pass_on(program: Streams, server: Streams, head: bytes, *, answered: bytes = b"") -> None:
    """Bytes in both directions: in a tunnel until both ends are done, for a request (`head`) until one is."""
    server[1].write(head)
    program[1].write(answered)
    there = asyncio.ensure_future(_copy(program[0], server[1], half_close=bool(answered)))
    back = asyncio.ensure_future(_copy(server[0], program[1], half_close=bool(answered)))
    try:
        if answered:
            await asyncio.gather(there, back)
        else:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        server[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, half_close: bool) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if half_close and writer.can_write_eof():
        writer.write_eof()
    elif half_close:
        writer.close()  # TLS has no half-close


async def _refuse(writer: asyncio.StreamWriter, status: int, reason: str, text: str) -> None:
    body = f"gateway run: {text}\n".encode()
    writer.write(
        b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%b" % (status, reason.encode(), len(body), body)
    )
    with suppress(OSError):
        await writer.drain()
