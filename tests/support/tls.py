"""Certificates for tests, made anew each time: CAs, files for a gateway, contexts for callers."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme

NAMES = ("localhost", "127.0.0.1")
"""What a test's gateway is called."""


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
        return self.ca.issue_cert(*(names or NAMES), not_after=expires, common_name=common_name)

    def write_pair(self, folder: Path, *names: str, expires: datetime | None = None) -> dict[str, str]:
        """A certificate with its key in files that are replaced: the two settings that name them."""
        leaf = self.issue(*names, expires=expires)
        certificate, key = folder / "tls.crt", folder / "tls.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return {"cert_file": str(certificate), "key_file": str(key)}

    def trusting(self, leaf: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """A caller's context that trusts this CA, and shows `leaf` if it is asked for a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        if leaf is not None:
            leaf.configure_cert(context)
        return context


def server_certificate(writer: Any) -> str:
    """The serial number of what the other side of a connection showed."""
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    return str(certificate["serialNumber"])


PAST = datetime(2020, 1, 1, tzinfo=UTC)
