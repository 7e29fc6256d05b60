"""Who shows a client certificate: the names in it, looked up exactly (issue: mutual TLS as identity).

That it is genuine was checked in the TLS handshake. It is read once per connection, and may end while the
connection is held.
"""

import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from gateway.errors import Refusal

_PREFIXES = {"DNS": "dns:", "URI": "uri:"}
Holder = TypeVar("Holder")


class PeerCertificate(NamedTuple):
    """`names` are `dns:…` (in lower case), `uri:…` and `cn:…`; `expires` is in seconds since the epoch."""

    names: tuple[str, ...]
    expires: float


def read_certificate(shown: Mapping[str, Any]) -> PeerCertificate:
    """A verified certificate as `ssl.SSLSocket.getpeercert` gives it."""
    names = []
    for kind, text in shown.get("subjectAltName", ()):
        prefix = _PREFIXES.get(kind)
        if prefix is not None:
            names.append(prefix + (text.lower() if kind == "DNS" else text))  # RFC 4343
    common = [text for part in shown.get("subject", ()) for name, text in part if name == "commonName"]
    if len(common) == 1:  # of several, nobody can say which is meant
        names.append(f"cn:{common[0]}")
    return PeerCertificate(tuple(names), float(ssl.cert_time_to_seconds(shown["notAfter"])))


def find_certificate_consumer(
    index: Mapping[str, Holder], certificate: PeerCertificate, now: float
) -> Holder | None:
    """Whom a certificate stands for; nobody if it has ended. `now` is in seconds since the epoch.

    Raises `Refusal` (401) if it stands for two.
    """
    if now >= certificate.expires:
        return None
    found = None
    for name in certificate.names:
        certificate_consumer = index.get(name)
        if certificate_consumer is None or certificate_consumer is found:
            continue
        if found is not None:
            raise Refusal(
                "unknown_consumer", "The client certificate names several consumers; it must name one."
            )
        found = certificate_consumer
    return found
