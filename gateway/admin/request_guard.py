"""What holds for every answer of the admin port, and what is asked of every request before it is handled.

Host is checked for all; who may see what is asked by path. Also the answers to what never becomes a request.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.admin.admin_authentication import AdminAuthenticator
from gateway.admin.api import json_response

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "twilio-gateway",
}
_OPEN = frozenset({"/livez", "/readyz", "/login", "/logout", "/static/icon.svg", "/static/login.css"})
_METRICS = "/metrics"
_API = "/api/"
_KEPT = ("WWW-Authenticate", "Retry-After", "Allow")

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Stands before every handler. `listened` is the host of `admin.listen`."""

    def __init__(self, authenticator: AdminAuthenticator, listened: str) -> None:
        self._authenticator = authenticator
        self._listened = listened

    @web.middleware
    async def stand(self, request: web.Request, handler: Handle) -> web.StreamResponse:
        """Let through, or answer in the shape that the path has."""
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

        An address cannot be rebound, so every one is taken: probes and scrapes come by pod or node address.
        """
        host = request.headers.get("Host", "")
        if not is_own_host(host, {self._listened, *self._authenticator.access.hosts}):
            raise web.HTTPForbidden(
                text="The Host is not this admin server's: use its address, or a name in `admin.hosts`.\n"
            )

    def _require(self, request: web.Request) -> None:
        """Whatever is not named here needs the page's login, paths that do not exist included."""
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
    """A signal of aiohttp's: every answer gets the strict headers, unless it has its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = _HEADERS[
        "Server"
    ]  # aiohttp has named itself, Python and their versions by now


class AdminProtocol(web.RequestHandler):
    """A connection. What the parser refuses, or what fails unforeseen, is answered without a word of it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Replaces a page that quotes what was sent."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer has begun already")
        if status >= 500:
            self.log_exception("Error handling request", exc_info=exc)
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
