"""Certificates for tests, made anew each time: CAs, files for a gateway, contexts for callers."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

NAMES = ("localhost", "127.0.0.1")
"""What a test's gateway is called."""
_NOBODY = x509.Name([])
PAST = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """A CA, and what it issues."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def write_ca(self, path: Path) -> str:
        """Its own certificate, in a file."""
        self.ca.cert_pem.write_to_path(path)
        return str(path)

    def issue(
        self, *names: str, expires: datetime | None = None, common_name: str | None = None
    ) -> trustme.LeafCert:
        """A certificate for host names, addresses or URIs."""
        if any("://" in name for name in names):
            return self._issue_with_uris(names)
        return self.ca.issue_cert(*(names or NAMES), not_after=expires, common_name=common_name)

    def issue_raw(self, *names: bytes) -> trustme.LeafCert:
        """A certificate whose DNS names are any bytes, up to 100 in all."""
        entries = b"".join(b"\x82" + bytes([len(name)]) + name for name in names)
        value = b"\x30" + bytes([len(entries)]) + entries
        return self._sign(x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, value))

    def _issue_with_uris(self, names: tuple[str, ...]) -> trustme.LeafCert:
        """As SPIFFE has them; trustme knows host names and addresses only."""
        sans = [x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names]
        return self._sign(x509.SubjectAlternativeName(sans))

    def issue_without_names(self, common_name: str) -> trustme.LeafCert:
        """A certificate as of old: its host is its subject's common name, and there is no other."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return self._sign(usage, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))

    def _sign(self, names: x509.ExtensionType, subject: x509.Name = _NOBODY) -> trustme.LeafCert:
        issuer = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        signing = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(PAST)
            .not_valid_after(datetime(2999, 1, 1, tzinfo=UTC))
            .add_extension(names, critical=True)
            .sign(signing, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return trustme.LeafCert(pem, certificate.public_bytes(serialization.Encoding.PEM), [])

    def write_pair(self, folder: Path, *names: str, expires: datetime | None = None) -> dict[str, str]:
        """A certificate with its key in files that are replaced: the two settings that name them."""
        leaf = self.issue(*names, expires=expires)
        certificate, key = folder / "tls.crt", folder / "tls.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return {"cert_file": str(certificate), "key_file": str(key)}

    def serving(self, *names: str) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue(*names).configure_cert(context)
        return context

    def trusting(self, leaf: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """A caller's context that trusts this CA, and shows `leaf` if it is asked for a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        if leaf is not None:
            leaf.configure_cert(context)
        return context


def self_signed(name: str) -> tuple[trustme.LeafCert, str]:
    """A certificate of nobody's that is no CA, and its PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(PAST)
        .not_valid_after(datetime(2999, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(private, pem, []), pem.decode()


def server_certificate(writer: Any) -> str:
    """The serial number of what the other side of a connection showed."""
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    return str(certificate["serialNumber"])


def connect(
    port: int, data: bytes, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """A request over a blocking socket, which says by an alert why it goes, and may offer a session.

    Gives the session to offer next, and whether the one offered was taken.
    """
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as wrapped,
    ):
        wrapped.sendall(data)
        assert wrapped.recv(12) == b"HTTP/1.1 200"
        return wrapped.session, wrapped.session_reused
