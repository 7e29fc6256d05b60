"""TLS of a listener: certificates, CAs and demands can be replaced while connections are held.

It knows neither files nor settings: they are checked where contexts are made.
"""

import ssl
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.identity.caller_context import describe_client_terms
from gateway.identity.client_certificates import read_certificate

HANDSHAKES_AT_ONCE: Final = 1000
"""Connections are counted only once their handshake is done: those before it are bounded here."""
HANDSHAKES_PER_ADDRESS: Final = 500
"""The most of them from one address (IPv6: from one /64), so that it does not lock the others out."""
TOO_MANY: Final = "TOO_MANY_HANDSHAKES"
"""The reason that is counted, and not logged, where a connection was closed for that."""
UNREADABLE: Final = "UNREADABLE_CERTIFICATE"
"""The reason that is counted where a client certificate was verified, but a name in it is no text."""


class ListenerTls:
    """The active context, and the handshakes under way. On the listener's loop; read from other threads."""

    expires: float
    """When the active certificate expires, in seconds since the epoch."""
    failures: Counter[str]
    """Handshakes that failed, by OpenSSL's name of the reason, a bounded set."""
    client_terms: int
    """Changes when client certificates are verified otherwise than before: connections that were made before
    close after their next answer."""

    def __init__(
        self, context: ssl.SSLContext, expires: float, on_failure: Callable[[str, str], object]
    ) -> None:
        """`on_failure` is called with the reason and OpenSSL's words for it."""
        self.failures = Counter()
        context.sslobject_class = _CheckedHandshake
        self.context = context
        self.expires = expires
        self.client_terms = 0
        self._on_failure = on_failure
        self._under_way: Counter[str] = Counter()

    def replace(
        self,
        context: ssl.SSLContext,
        expires: float,
        choose: Callable[[str | None], ssl.SSLContext | None] | None = None,
    ) -> None:
        """From now on new connections get `context`; with `choose`, the one that it gives for the name that
        is asked for (SNI), or no connection if it gives None. It must demand the same of callers."""
        context.sni_callback = None if choose is None else partial(_switch, choose)
        if describe_client_terms(context) != describe_client_terms(self.context):
            self.client_terms += 1
        context.sslobject_class = _CheckedHandshake
        self.context = context
        self.expires = expires

    def begin(self, address: str) -> bool:
        """Count a handshake; False if it is over the limit, in all or from its address."""
        crowded = self._under_way.total() >= HANDSHAKES_AT_ONCE
        if crowded or self._under_way[address] >= HANDSHAKES_PER_ADDRESS:
            self.failures[TOO_MANY] += 1
            return False
        self._under_way[address] += 1
        return True

    def end(self, address: str) -> None:
        """A handshake that was counted in is over: done, failed or abandoned."""
        self._under_way[address] -= 1
        if not self._under_way[address]:
            del self._under_way[address]  # addresses without handshakes take no memory

    def failed(self, error: ssl.SSLError) -> None:
        """Count and report a handshake that OpenSSL refused."""
        reason = error.reason or type(error).__name__
        self.failures[reason] += 1
        self._on_failure(reason, getattr(error, "verify_message", ""))


def _switch(
    choose: Callable[[str | None], ssl.SSLContext | None],
    handshake: ssl.SSLObject,
    name: str | None,
    _: ssl.SSLContext,
) -> int | None:
    """An `sni_callback`; what it returns is an alert (RFC 6066 3)."""
    chosen = choose(name)
    if chosen is None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    handshake.context = chosen
    return None


class _CheckedHandshake(ssl.SSLObject):
    """Fails where a name of the client's certificate is not UTF-8: else nothing would be counted."""

    def do_handshake(self) -> None:
        super().do_handshake()
        try:
            shown = self.getpeercert()
            if shown:
                read_certificate(shown)
        except ValueError:
            unreadable = ssl.SSLError(ssl.SSL_ERROR_SSL, "the client certificate cannot be read")
            unreadable.reason = UNREADABLE
            raise unreadable from None
