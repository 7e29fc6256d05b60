"""Authentication on the admin port: page and `/api` by session or token, `/metrics` by its own token.

Without tokens everything is open, because the port is then on loopback (the configuration is checked for it).
Tokens are kept as digests and compared in constant time; wrong ones are counted by address.
"""

import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from aiohttp import web

from gateway.admin.sessions import LoginThrottle, Sessions, digest

COOKIE = "gateway_session"
_BEARER = "bearer "
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="twilio-gateway admin"'}


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """What the configuration says. `page` and `metrics` are digests of tokens, None where there is none."""

    page: bytes | None = field(default=None, repr=False)
    metrics: bytes | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, page: str | None, metrics: str | None, hosts: frozenset[str]) -> "AdminAccess":
        """Of the tokens themselves, which are kept as digests."""
        return cls(_digest(page), _digest(metrics), hosts)

    def kept_closed(self, new: "AdminAccess") -> "AdminAccess":
        """What holds from `new` on at a port that others reach: leaving a token out opens none, as
        the port itself stays where it is until a restart."""
        return replace(new, page=new.page or self.page, metrics=new.metrics or self.metrics)


def _digest(token: str | None) -> bytes | None:
    return None if token is None else digest(token)


class AdminAuthenticator:
    """One per admin port, used on its thread. `access` may be replaced at any time, from any thread.

    `on_refused` is called with the address of each caller that presented a wrong token.
    """

    def __init__(
        self,
        access: AdminAccess,
        on_refused: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.access = access
        self._on_refused = on_refused
        self._clock = clock
        self._sessions = Sessions()
        self._page_guesses = LoginThrottle()
        self._metrics_guesses = LoginThrottle()

    def apply(self, access: AdminAccess, *, remote: bool) -> None:
        """Apply a configuration's access. `remote`: other machines reach the port, so no token may go."""
        self.access = self.access.kept_closed(access) if remote else access

    def is_logged_in(self, request: web.Request) -> bool:
        """Whether the request shows an open session, or none is asked for."""
        page = self.access.page
        return page is None or self._sessions.holds(request.cookies.get(COOKIE, ""), page, self._clock())

    def require_page(self, request: web.Request) -> None:
        """Raises 401 or 429 unless the request may see the page and the API."""
        page = self.access.page
        if page is not None and not self.is_logged_in(request):
            self._require_bearer(request, page, self._page_guesses)

    def require_metrics(self, request: web.Request) -> None:
        """Raises 401 or 429 unless the request may see the metrics; who may see the page may."""
        metrics = self.access.metrics
        if metrics is not None and not (self.access.page is not None and self.is_logged_in(request)):
            self._require_bearer(request, metrics, self._metrics_guesses)

    def log_in(self, request: web.Request, token: str) -> str | None:
        """A new session's id; None if the token is wrong. Raises 429."""
        page = self.access.page
        if page is None or not self._is_right(request, token, page, self._page_guesses):
            return None
        return self._sessions.begin(page, self._clock())

    def log_out(self, request: web.Request) -> bool:
        """End the request's session; False if it had none."""
        return self._sessions.end(request.cookies.get(COOKIE, ""))

    def end(self, session: str) -> None:
        """End a session that was begun a moment ago."""
        self._sessions.end(session)

    def _require_bearer(self, request: web.Request, wanted: bytes, guesses: LoginThrottle) -> None:
        shown = request.headers.get("Authorization", "")
        if shown[: len(_BEARER)].lower() != _BEARER:
            _challenge("A token is needed: Authorization: Bearer TOKEN.")
        if not self._is_right(request, shown[len(_BEARER) :].strip(), wanted, guesses):
            _challenge("The token is wrong.")

    def _is_right(self, request: web.Request, token: str, wanted: bytes, guesses: LoginThrottle) -> bool:
        address, now = request.remote or "", self._clock()
        wait = math.ceil(guesses.wait_seconds(address, now))
        if wait:
            raise web.HTTPTooManyRequests(
                text=f"Too many wrong tokens came from this address; try again in {wait} s.\n",
                headers={"Retry-After": str(wait)},
            )
        if hmac.compare_digest(digest(token), wanted):
            return True
        guesses.failed(address, now)
        self._on_refused(address)
        return False


def _challenge(text: str) -> NoReturn:
    raise web.HTTPUnauthorized(text=f"{text}\n", headers=_CHALLENGE)
