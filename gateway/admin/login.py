"""`/login` and `/logout`: a token in, a session's cookie out.

The cookie is HttpOnly and SameSite=Strict, so that no script reads it and no other site sends it. Forms from
other sites are also refused.
"""

import asyncio
from html import escape
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from gateway.admin.admin_authentication import COOKIE, AdminAuthenticator
from gateway.admin.sessions import SESSION_SECONDS
from gateway.audit.audit_trail import AuditUnavailable
from gateway.audit.auditor import Auditor

_BODY_SECONDS = 10.0
_FORM_TYPE = "application/x-www-form-urlencoded"
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>twilio-gateway: log in</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/login.css">
</head>
<body>
<main>
<h1>twilio-gateway</h1>
{content}
</main>
</body>
</html>
"""
_LOG_IN: Final = """\
<form method="post" action="/login">
<label for="token">Token (<code>admin.page_token</code>)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
{problem}<button>Log in</button>
</form>"""
_LOG_OUT: Final = """\
<p>You are logged in: <a href="/">to the page</a>.</p>
<form method="post" action="/logout"><button>Log out</button></form>"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    # With no-referrer a browser sends `Origin: null` with the form (https://fetch.spec.whatwg.org/#origin-header).
    "Referrer-Policy": "same-origin",
}


class Login:
    """One per admin port."""

    def __init__(self, authenticator: AdminAuthenticator, auditor: Auditor) -> None:
        self._authenticator = authenticator
        self._auditor = auditor

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/login", self._show)
        router.add_post("/login", self._log_in)
        router.add_post("/logout", self._log_out)

    async def _show(self, request: web.Request) -> web.Response:
        if self._authenticator.access.page is None:
            raise web.HTTPSeeOther("/")
        return _page(_LOG_OUT if self._authenticator.is_logged_in(request) else _LOG_IN.format(problem=""))

    async def _log_in(self, request: web.Request) -> web.Response:
        require_own_page(request)
        token = await _read_token(request)
        try:
            session = self._authenticator.log_in(request, token)
        except web.HTTPTooManyRequests as error:
            answer = _refused(error.text or "", error.status)
            answer.headers["Retry-After"] = error.headers["Retry-After"]
            return answer
        if session is None:
            return _refused("The token is wrong.", 401)
        try:
            await self._auditor.require("login", address=request.remote or "")
        except AuditUnavailable:
            self._authenticator.end(session)
            return _refused("The audit trail cannot be written, so nobody can log in; see the log.", 503)
        answer = web.Response(status=303, headers={**_HEADERS, "Location": "/"})
        answer.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=_is_https(request),
        )
        return answer

    async def _log_out(self, request: web.Request) -> web.Response:
        require_own_page(request)
        if self._authenticator.log_out(request):
            await self._auditor.note("logout", address=request.remote or "")
        answer = web.Response(status=303, headers={**_HEADERS, "Location": "/login"})
        answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=_is_https(request))
        return answer


async def _read_token(request: web.Request) -> str:
    if request.content_type != _FORM_TYPE:
        raise web.HTTPUnsupportedMediaType(text=f"The login takes a form: Content-Type: {_FORM_TYPE}.\n")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form did not arrive in time.\n") from None
    fields = parse_qs(body.decode("ascii", "replace"))
    return fields.get("token", [""])[0].strip()


def require_own_page(request: web.Request) -> None:
    """Raises 403 for a form of another site's; programs send neither field, and no cookie unasked."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or origin in (f"http://{request.host}", f"https://{request.host}")
    if not own:
        raise web.HTTPForbidden(text="This was sent by a page of another site.\n")


def _is_https(request: web.Request) -> bool:
    """Whether the browser came by TLS, which ends in front of us if at all."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def _refused(text: str, status: int) -> web.Response:
    return _page(_LOG_IN.format(problem=f'<p role="alert">{escape(text)}</p>\n'), status)


def _page(content: str, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=_PAGE.format(content=content), content_type="text/html", headers=_HEADERS
    )
