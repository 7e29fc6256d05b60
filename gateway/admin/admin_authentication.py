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
    """What the configuration says. `page`, `metrics` and `operate` are digests of tokens, None for none."""

    page: bytes | None = field(default=None, repr=False)
    metrics: bytes | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()
    operate: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, page: str | None, metrics: str | None, hosts: frozenset[str], operate: str | None = None
    ) -> "AdminAccess":
        """Of the tokens themselves, which are kept as digests."""
        return cls(_digest(page), _digest(metrics), hosts, _digest(operate))

    @property
    def viewers(self) -> tuple[bytes, ...]:
        """The tokens that open the page; none if it is open."""
        return () if self.page is None else tuple(each for each in (self.page, self.operate) if each)

    def kept_closed(self, new: "AdminAccess") -> "AdminAccess":
        """What holds from `new` on at a port that others reach: leaving a token out opens none, as
        the port itself stays where it is until a restart."""
        page, metrics = new.page or self.page, new.metrics or self.metrics
        return replace(new, page=page, metrics=metrics)


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
        viewers = self.access.viewers
        return not viewers or any(self._has_session(request, token) for token in viewers)

    def may_operate(self, request: web.Request) -> bool:
        """Whether a request that may see the page may also change something."""
        operate = self.access.operate
        if not self.access.viewers:
            return True
        if operate is None:
            return False
        shown = _bearer(request)
        by_token = shown is not None and hmac.compare_digest(digest(shown), operate)
        return by_token or self._has_session(request, operate)

    def require_page(self, request: web.Request) -> None:
        """Raises 401 or 429 unless the request may see the page and the API."""
        if not self.is_logged_in(request):
            self._require_bearer(request, self.access.viewers, self._page_guesses)

    def require_metrics(self, request: web.Request) -> None:
        """Raises 401 or 429 unless the request may see the metrics; who may see the page may."""
        metrics = self.access.metrics
        if metrics is not None and not (self.access.page is not None and self.is_logged_in(request)):
            self._require_bearer(request, (metrics,), self._metrics_guesses)

    def log_in(self, request: web.Request, token: str) -> str | None:
        """A new session's id; None if the token is wrong. Raises 429."""
        viewers = self.access.viewers
        found = self._find(request, token, viewers, self._page_guesses) if viewers else None
        return None if found is None else self._sessions.begin(found, self._clock())

    def log_out(self, request: web.Request) -> bool:
        """End the request's session; False if it had none."""
        return self._sessions.end(request.cookies.get(COOKIE, ""))

    def end(self, session: str) -> None:
        """End a session that was begun a moment ago."""
        self._sessions.end(session)

    def _has_session(self, request: web.Request, token: bytes) -> bool:
        return self._sessions.holds(request.cookies.get(COOKIE, ""), token, self._clock())

    def _require_bearer(
        self, request: web.Request, wanted: tuple[bytes, ...], guesses: LoginThrottle
    ) -> None:
        shown = _bearer(request)
        if shown is None:
            _challenge("A token is needed: Authorization: Bearer TOKEN.")
        if self._find(request, shown, wanted, guesses) is None:
            _challenge("The token is wrong.")

    def _find(
        self, request: web.Request, token: str, wanted: tuple[bytes, ...], guesses: LoginThrottle
    ) -> bytes | None:
        """The digest that a token has; each is compared, so that no time tells which. Raises 429."""
        address, now = request.remote or "", self._clock()
        wait = math.ceil(guesses.wait_seconds(address, now))
        if wait:
            raise web.HTTPTooManyRequests(
                text=f"Too many wrong tokens came from this address; try again in {wait} s.\n",
                headers={"Retry-After": str(wait)},
            )
        shown = digest(token)
        found = [each for each in wanted if hmac.compare_digest(shown, each)]
        if found:
            return found[0]
        guesses.failed(address, now)
        self._on_refused(address)
        return None


def _bearer(request: web.Request) -> str | None:
    shown = request.headers.get("Authorization", "")
    return shown[len(_BEARER) :].strip() if shown[: len(_BEARER)].lower() == _BEARER else None


def _challenge(text: str) -> NoReturn:
    raise web.HTTPUnauthorized(text=f"{text}\n", headers=_CHALLENGE)
