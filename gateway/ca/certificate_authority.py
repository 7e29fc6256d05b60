"""The certificates of the gateway's own CA: a root, the intermediate that it signs, and leaves for names.

Clients trust the root alone, whose key stays offline. The gateway holds the intermediate, which can sign for
the names in its constraints and for nothing else (RFC 5280 4.2.1.10): they stand in the intermediate because
Java 17 ignores those of a root (docs/facts.md). Knows no files; the time is an argument.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TWILIO_DOMAIN: Final = "twilio.com"
_ROOT_DAYS: Final = 3650
_INTERMEDIATE_DAYS: Final = 90
LEAF_DAYS: Final = 7
_SKEW: Final = timedelta(hours=1)
"""How far the clock of a client may be behind this machine's."""
_CN_LENGTH: Final = 64
"""RFC 5280 A.1: ub-common-name-length. A longer name is only among the subjectAltNames."""
_NO_ADDRESSES: Final = tuple(
    x509.IPAddress(network) for network in map(ipaddress.ip_network, ("0.0.0.0/0", "::/0"))
)


@dataclass(frozen=True, slots=True)
class SigningPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def key_pem(self) -> bytes:
        """The key, not encrypted (PKCS #8)."""
        return self._encode_key(serialization.NoEncryption())

    def encrypted_key_pem(self, passphrase: bytes) -> bytes:
        """The key, encrypted with a passphrase (PKCS #8, AES-256, PBKDF2)."""
        return self._encode_key(serialization.BestAvailableEncryption(passphrase))

    def _encode_key(self, encryption: serialization.KeySerializationEncryption) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )


def make_root(now: datetime) -> SigningPair:
    """A root for ten years. It bounds nothing itself: names are the intermediate's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Twilio gateway root CA", now)
    builder = _begin(name, name, key.public_key(), now, timedelta(days=_ROOT_DAYS))
    builder = _as_authority(builder, path_length=1)
    return SigningPair(builder.sign(key, hashes.SHA256()), key)


def make_intermediate(root: SigningPair, hosts: Iterable[str], now: datetime) -> SigningPair:
    """An intermediate for 90 days that can sign server certificates for Twilio's names and for `hosts`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("Twilio gateway CA", now)
    latest = root.certificate.not_valid_after_utc
    builder = _begin(
        subject, root.certificate.subject, key.public_key(), now, timedelta(days=_INTERMEDIATE_DAYS), latest
    )
    builder = _as_authority(builder, path_length=0)
    permitted = [x509.DNSName(name) for name in dict.fromkeys((TWILIO_DOMAIN, *sorted(hosts)))]
    constraints = x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=_NO_ADDRESSES)
    builder = builder.add_extension(constraints, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(_issuer_key(root.certificate), critical=False)
    return SigningPair(builder.sign(root.key, hashes.SHA256()), key)


def make_leaf(issuer: SigningPair, name: str, now: datetime) -> SigningPair:
    """A server certificate for one name, for seven days at most, and no longer than its issuer's.

    The caller sees to it that `name` is one to sign for: clients would refuse another by the constraints.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    short = len(name) <= _CN_LENGTH
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if short else [])
    # Of an issuer that has expired, too: clients say so, and plain callers are served on.
    latest = max(issuer.certificate.not_valid_after_utc, now)
    builder = _begin(
        subject, issuer.certificate.subject, key.public_key(), now, timedelta(days=LEAF_DAYS), latest
    )
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=not short)
        .add_extension(_issuer_key(issuer.certificate), critical=False)
    )
    return SigningPair(builder.sign(issuer.key, hashes.SHA256()), key)


def permitted_names(intermediate: x509.Certificate) -> tuple[str, ...]:
    """The names that an intermediate may sign for, with all beneath them; empty if nothing binds it."""
    try:
        constraints = intermediate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        each.value for each in constraints.permitted_subtrees or () if isinstance(each, x509.DNSName)
    )


def is_permitted(name: str, permitted: Iterable[str]) -> bool:
    """Whether a name is one of `permitted`, or beneath one (RFC 5280 4.2.1.10)."""
    return any(name == base or name.endswith("." + base) for base in permitted)


def to_pem(certificate: x509.Certificate) -> bytes:
    """A certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
    latest: datetime | None = None,
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0) - _SKEW
    ends = start + lifetime if latest is None else min(start + lifetime, latest.replace(microsecond=0))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_key_usage(signs_certificates=True), critical=True)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _name(title: str, now: datetime) -> x509.Name:
    """Two CAs of one organisation are told apart by the day on which they were made."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "twilio-gateway"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{title} {now.astimezone(UTC):%Y-%m-%d}"),
        ]
    )
