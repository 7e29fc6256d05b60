"""Certificates in PEM as a trust store for Java. Needs the cryptography package."""

import re
import warnings

from cryptography import x509

from gateway.ca.trust_formats import to_trust_store

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def build_java_trust_store(before: bytes, root: bytes) -> bytes:
    """Of all certificates in `before` that can be read, and of the root."""
    found = {b"twilio-gateway-root": x509.load_pem_x509_certificate(root)}
    for number, text in enumerate(_PEM.findall(before)):
        try:
            with warnings.catch_warnings(action="ignore"):  # an old root's serial number
                found[b"before-%d" % number] = x509.load_pem_x509_certificate(text)
        except ValueError:
            continue  # as Java would
    return to_trust_store(found)
