"""TLS for a listener: certificates, CAs and demands can be replaced while connections are held.

`ListenerTls` is handed to `create_server` once; every new connection is wrapped by the context that is in
force then, and keeps it. It knows neither files nor settings: whoever makes contexts judges them first.
"""

import ssl
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from gateway.identity.client_certificates import read_certificate

HANDSHAKES_AT_ONCE = 1000
"""Connections are counted only once the handshake is done: those before it are bounded here."""
TOO_MANY = "TOO_MANY_HANDSHAKES"
"""The reason that is counted, and not logged, where a connection was closed for that."""
UNREADABLE = "UNREADABLE_CERTIFICATE"
"""The reason that is counted where a client certificate was verified, but a name in it is no text."""
_HANDSHAKE_SECONDS = 10.0  # nothing is known of a caller until then
_SHUTDOWN_SECONDS = 2.0  # for a caller's answer to our close_notify
_PENDING = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ListenerTls(ssl.SSLContext):
    """A context that has others do its work: asyncio and uvloop call `wrap_bio` once per connection.

    (A server name callback could replace certificates, but not the demand for a client's.)
    """

    expires: float
    """When the certificate in force ends, in seconds since the epoch."""
    failures: Counter[str]
    """Handshakes that failed, by OpenSSL's name of the reason, a bounded set."""

    def __new__(cls, *_: object) -> "ListenerTls":
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(
        self,
        context: ssl.SSLContext,
        expires: float,
        on_failure: Callable[[str, str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_failure` is told the reason and OpenSSL's words for it."""
        self.failures = Counter()
        self._on_failure = on_failure
        self._clock = clock
        self._under_way: dict[int, float] = {}
        self.replace(context, expires)

    def replace(self, context: ssl.SSLContext, expires: float) -> None:
        """From now on new connections get `context`. Those that are open notice nothing."""
        context.sslobject_class = _WatchedHandshake
        self._current = context
        self.expires = expires

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """What the loop asks for when a connection has come; one too many fails at its first step."""
        wrapped = self._current.wrap_bio(*args, **kwargs)
        assert isinstance(wrapped, _WatchedHandshake)
        now = self._clock()
        self._forget_abandoned(now)
        if len(self._under_way) >= HANDSHAKES_AT_ONCE:
            self.failures[TOO_MANY] += 1
            wrapped.on_end = None
            return wrapped
        wrapped.on_end = self._ended
        self._under_way.pop(id(wrapped), None)
        self._under_way[id(wrapped)] = now + _HANDSHAKE_SECONDS
        return wrapped

    def _forget_abandoned(self, now: float) -> None:
        """Who goes away in the middle is not told of; the loop has closed it when its time is up."""
        while self._under_way:
            oldest = next(iter(self._under_way))
            if self._under_way[oldest] > now:
                return
            del self._under_way[oldest]

    def _ended(self, wrapped: ssl.SSLObject, error: ssl.SSLError | None) -> None:
        self._under_way.pop(id(wrapped), None)
        if error is not None:
            reason = error.reason or type(error).__name__
            self.failures[reason] += 1
            self._on_failure(reason, getattr(error, "verify_message", ""))


def listening_options(tls: ListenerTls | None) -> dict[str, Any]:
    """What `create_server` is told besides; nothing for a plain port."""
    if tls is None:
        return {}
    return {
        "ssl": tls,
        "ssl_handshake_timeout": _HANDSHAKE_SECONDS,
        "ssl_shutdown_timeout": _SHUTDOWN_SECONDS,
    }


class _WatchedHandshake(ssl.SSLObject):
    """asyncio drops a failed handshake without a word; somebody looks for the reason of it."""

    on_end: Callable[[ssl.SSLObject, ssl.SSLError | None], object] | None

    def do_handshake(self) -> None:
        if self.on_end is None:  # raised in `wrap_bio`, it would leave the socket open on asyncio
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "too many handshakes at once")
        try:
            super().do_handshake()
            shown = self.getpeercert()
            if shown:
                read_certificate(shown)
        except _PENDING:
            raise
        except ssl.SSLError as error:
            self.on_end(self, error)
            raise
        except ValueError:  # a name that is no UTF-8: the loop would log an error, and count nothing
            unreadable = ssl.SSLError(ssl.SSL_ERROR_SSL, "the client certificate cannot be read")
            unreadable.reason = UNREADABLE
            self.on_end(self, unreadable)
            raise unreadable from None
        self.on_end(self, None)
