"""What is required of every request to the admin port before it is handled, and what every answer carries.

Host is checked for every path but the probes; authentication depends on the path. Also answers what never
becomes a request.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.admin.admin_authentication import AdminAuthenticator
from gateway.admin.admin_connections import AdminProtocol
from gateway.admin.api import json_response

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "twilio-gateway",
}
_PROBES = frozenset({"/livez", "/readyz"})
_ROOT = "/root.pem"
_ANY_HOST = _PROBES | {_ROOT}
_OPEN = _ANY_HOST | {"/login", "/logout", "/static/icon.svg", "/static/login.css"}
_METRICS = "/metrics"
_API = "/api/"
_KEPT = ("WWW-Authenticate", "Retry-After", "Allow")

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Runs before every handler. `listened` is the host of `admin.listen`."""

    def __init__(self, authenticator: AdminAuthenticator, listened: str) -> None:
        self._authenticator = authenticator
        self._listened = listened

    @web.middleware
    async def stand(self, request: web.Request, handler: Handle) -> web.StreamResponse:
        """Let through, or answer in the shape that the path has."""
        connection = request.protocol
        assert isinstance(connection, AdminProtocol)  # the admin server makes no others
        connection.begin(request.content)
        try:
            return await self._answer(request, handler)
        finally:
            connection.end()

    def is_own(self, request: web.Request) -> bool:
        """Whether the Host is one that the admin port answers to."""
        host = request.headers.get("Host", "")
        return is_own_host(host, {self._listened, *self._authenticator.access.hosts})

    async def _answer(self, request: web.Request, handler: Handle) -> web.StreamResponse:
        try:
            self._check_host(request)
            self._require(request)
            return await handler(request)
        except web.HTTPException as error:
            if not request.path.startswith(_API):
                raise
            answer = json_response({"error": (error.text or error.reason).strip()}, error.status)
            answer.headers.update({name: error.headers[name] for name in _KEPT if name in error.headers})
            return answer

    def _check_host(self, request: web.Request) -> None:
        """A page on another name that resolves here must not read us (DNS rebinding).

        An address cannot be rebound, so every one is taken: scrapes come by pod or node address. Probes are
        exempt: balancers send a service's name, or HTTP/1.0 without Host, and get one word (admin_server.py).
        So is the root of `ca`, which is public.
        """
        if request.path not in _ANY_HOST and not self.is_own(request):
            raise web.HTTPForbidden(
                text="The Host is not this admin server's: use its address, or a name in `admin.hosts`.\n"
            )

    def _require(self, request: web.Request) -> None:
        """Every path that is not named here needs the page's login, even one that does not exist."""
        if request.path in _OPEN:
            return
        if request.path == _METRICS:
            self._authenticator.require_metrics(request)
        elif request.path == "/" and "Authorization" not in request.headers:
            if not self._authenticator.is_logged_in(request):
                raise web.HTTPSeeOther("/login")
        else:
            self._authenticator.require_page(request)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Called by aiohttp for each answer: add the strict headers where the answer has none of its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # aiohttp has set this one to its own and Python's versions by now.
    response.headers["Server"] = _HEADERS["Server"]


def answer_failure(request: web.BaseRequest, status: int, exc: BaseException | None) -> web.StreamResponse:
    """The answer to an invalid request or an internal error; it quotes nothing of what was sent."""
    if request.writer.output_size > 0:
        raise ConnectionResetError("an answer has begun already")
    if status >= 500:
        request.protocol.log_exception("Error handling request", exc_info=exc)
    text = "The gateway's admin port failed.\n" if status >= 500 else "This is not a request.\n"
    response = web.Response(status=status, text=text, headers=_HEADERS)
    response.force_close()
    return response


def is_own_host(host: str, own: set[str]) -> bool:
    """Whether a Host field names localhost, an IP address, or one of `own` (in lower case)."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower()
    if name in own or name == "localhost":
        return bool(name)
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
