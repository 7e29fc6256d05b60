"""A root's certificate in the forms in which clients take it, and its fingerprint."""

from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

TRUST_STORE_PASSWORD: Final = "changeit"  # noqa: S105 - Java's own default; the store holds no secret
"""Java reads no store without a password by default. This one protects nothing: certificates are public."""
_ALIAS: Final = b"twilio-gateway-root"


def to_java_trust_store(root: x509.Certificate) -> bytes:
    """A PKCS #12 store that `-Djavax.net.ssl.trustStore=` takes: Java needs its own attribute beside the
    certificate to trust it, which other tools do not write."""
    return to_trust_store({_ALIAS: root})


def to_trust_store(certificates: Mapping[bytes, x509.Certificate]) -> bytes:
    """The same of several, by alias."""
    entries = [pkcs12.PKCS12Certificate(each, alias) for alias, each in certificates.items()]
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(10_000)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(TRUST_STORE_PASSWORD.encode())
    )
    return pkcs12.serialize_java_truststore(entries, encryption)


def to_der(root: x509.Certificate) -> bytes:
    """DER, for Windows and Android."""
    return root.public_bytes(serialization.Encoding.DER)


def fingerprint(certificate: x509.Certificate) -> str:
    """Its SHA-256 as `openssl x509 -fingerprint` writes it: AB:CD:…"""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
