"""TLS for a listener: certificates, CAs and demands can be replaced while connections are held.

`ListenerTls` is handed to `create_server` once; every new connection is wrapped by the context that is in
force then, and keeps it. It knows neither files nor settings: whoever makes contexts judges them first.
"""

import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

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
        self, context: ssl.SSLContext, expires: float, on_failure: Callable[[str, str], object]
    ) -> None:
        """`on_failure` is told the reason and OpenSSL's words for it."""
        self.failures = Counter()
        self._on_failure = on_failure
        self.replace(context, expires)

    def replace(self, context: ssl.SSLContext, expires: float) -> None:
        """From now on new connections get `context`. Those that are open notice nothing."""
        context.sslobject_class = _WatchedHandshake
        self._current = context
        self.expires = expires

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """What the loop asks for when a connection has come."""
        wrapped = self._current.wrap_bio(*args, **kwargs)
        assert isinstance(wrapped, _WatchedHandshake)
        wrapped.on_failure = self._failed
        return wrapped

    def _failed(self, error: ssl.SSLError) -> None:
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

    on_failure: Callable[[ssl.SSLError], object]

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except _PENDING:
            raise
        except ssl.SSLError as error:
            self.on_failure(error)
            raise
