"""The names in client certificates, and the consumer that each stands for (mutual TLS as identity).

The TLS handshake has verified that a certificate is genuine. It is read once per connection, and may expire
while the connection is open.
"""

import ssl
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal

_PREFIXES: Final = {"DNS": "dns:", "URI": "uri:"}
_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""DNS names are compared without regard to the case of ASCII letters only (RFC 4343, RFC 5280 7.2)."""


class PeerCertificate(NamedTuple):
    """`names` are `dns:…` (in lower case), `uri:…` and `cn:…`; `expires` is in seconds since the epoch."""

    names: tuple[str, ...]
    expires: float


def read_certificate(shown: Mapping[str, Any]) -> PeerCertificate:
    """A verified certificate as `ssl.SSLSocket.getpeercert` returns it."""
    names = []
    for kind, text in shown.get("subjectAltName", ()):
        prefix = _PREFIXES.get(kind)
        if prefix is not None:
            names.append(prefix + (text.translate(_LOWER) if kind == "DNS" else text))
    common = [text for part in shown.get("subject", ()) for name, text in part if name == "commonName"]
    if len(common) == 1:  # several would be ambiguous
        names.append(f"cn:{common[0]}")
    return PeerCertificate(tuple(names), float(ssl.cert_time_to_seconds(shown["notAfter"])))


def find_certificate_consumer(
    index: Mapping[str, Consumer], certificate: PeerCertificate, now: float
) -> Consumer | None:
    """The consumer of a certificate, or None if there is none or the certificate has expired.

    `now` is in seconds since the epoch. Raises `Refusal` (401) if its names belong to several consumers.
    """
    if now >= certificate.expires:
        return None
    found: Consumer | None = None
    for name in certificate.names:
        consumer = index.get(name)
        if consumer is None or consumer is found:
            continue
        if found is not None:
            raise Refusal(
                "unknown_consumer", "The client certificate names several consumers; it must name one."
            )
        found = consumer
    return found
