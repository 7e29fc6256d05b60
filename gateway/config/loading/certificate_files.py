"""Reads certificates and keys, and makes TLS contexts of them: a whole one, or an error that says why not.

A new context is made each time and never changed afterwards. Loading a pair into a context that is in use
would leave the new certificate without its key when the two do not match.
"""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from gateway.config.schema.tls_settings import ClientCertificates, MinVersion, Tls
from gateway.identity.caller_context import CallerContext

_LARGEST_BYTES: Final = 1 << 20
_PEM_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_PEM_END: Final = "-----END CERTIFICATE-----"
_VERSIONS: Final[dict[MinVersion, ssl.TLSVersion]] = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_DEMANDS: Final[dict[ClientCertificates, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_VERSION, _UTC_TIME = 0xA0, 0x17  # tags of ASN.1


class CertificateError(Exception):
    """A file cannot be used: `name` is the setting that names it. Never says what the file holds."""

    def __init__(self, name: str, message: str, hint: str) -> None:
        super().__init__(f"{name}: {message}; {hint}")
        self.name, self.message, self.hint = name, message, hint


class TlsMaterial(NamedTuple):
    """What a listener needs. `context` has no certificate if there is no `cert_file`; `expires` is when that
    ends, in seconds since the epoch, or 0. `make` gives another context without a certificate, which demands
    the same of callers; `names` are the certificate's own, of which one may begin with `*.`."""

    context: ssl.SSLContext
    expires: float
    mints: bool = False
    make: Callable[[], ssl.SSLContext] = ssl.SSLContext
    names: frozenset[str] = frozenset()


def tls_files(tls: Tls, base_dir: Path) -> Iterator[Path]:
    """Every file that `tls` names; a reload watches them."""
    for name in (tls.cert_file, tls.key_file, tls.client_ca_file):
        if name is not None:
            yield base_dir / name


def load_tls(tls: Tls, base_dir: Path) -> TlsMaterial:
    """A context for a listener. Raises `CertificateError`."""
    trusted = ""
    if tls.client_certificates != "none" and tls.client_ca_file is not None:
        file = base_dir / tls.client_ca_file
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "client_ca_file", file)
        trusted = _read_pem("client_ca_file", file)

    def make() -> CallerContext:
        context = make_server_context(_VERSIONS[tls.min_version])
        if trusted:
            context.verify_mode = _DEMANDS[tls.client_certificates]
            context.trust(trusted)
        return context

    context = make()
    if tls.cert_file is None or tls.key_file is None:
        return TlsMaterial(context, 0.0, tls.mint, make)
    certificate, key = base_dir / tls.cert_file, base_dir / tls.key_file
    pem = _read_pem("cert_file", certificate)
    expires = read_expiry(pem, certificate)
    _read_pem("key_file", key)
    _load_chain(context, certificate, key)
    return TlsMaterial(context, expires, tls.mint, make, _own_names(pem) if tls.mint else frozenset())


def make_server_context(oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> CallerContext:
    """A context for callers, without a certificate."""
    context = CallerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    context.options |= ssl.OP_NO_RENEGOTIATION  # a caller could keep us busy with it
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 1  # of TLS 1.3: a second one costs as much as it saves
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_refuse_encrypted)
    except _EncryptedKeyError:
        hint = "decrypt it (openssl pkey), and make it readable by the gateway only"
        raise CertificateError("key_file", f"the key in {key} is encrypted", hint) from None
    except ssl.SSLError as error:
        reason = (error.reason or "not a private key").replace("_", " ").lower()
        hint = "give the private key of `cert_file`'s first certificate"
        raise CertificateError("key_file", f"the key in {key} cannot be used ({reason})", hint) from None


def _own_names(pem: str) -> frozenset[str]:
    """The host names of a file's first certificate."""
    try:
        from cryptography import x509
    except ImportError:  # `ca` needs it, which `mint` needs: `NamedFiles.authority` says so
        return frozenset()

    certificate = x509.load_pem_x509_certificates(pem.encode())[0]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def load_authorities(context: ssl.SSLContext, name: str, path: Path) -> None:
    """Have `context` trust the certificates in a file. Raises `CertificateError` for the setting `name`."""
    text = _read_pem(name, path)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise CertificateError(
            name, f"the file {path} holds no certificates", "give PEM certificates of CAs"
        ) from None


def _read_pem(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CertificateError(
            name, f"the file {path} cannot be read ({reason})", "mount it, or correct the path"
        ) from None
    if b"-----BEGIN " not in content or len(content) > _LARGEST_BYTES:
        raise CertificateError(name, f"the file {path} is not PEM", "convert it: openssl … -outform PEM")
    return content.decode("ascii", "ignore")  # comments between the blocks may be in any language


class _EncryptedKeyError(Exception):
    """Stops OpenSSL, which would ask for the password at the terminal."""


def _refuse_encrypted() -> NoReturn:
    raise _EncryptedKeyError


def read_expiry(pem: str, path: Path) -> float:
    """When a file's first certificate ends, in seconds since the epoch. Raises `CertificateError`."""
    try:
        block = pem[pem.index(_PEM_BEGIN) : pem.index(_PEM_END) + len(_PEM_END)]
        return _not_after(ssl.PEM_cert_to_DER_cert(block))
    except (ValueError, IndexError):
        raise CertificateError(
            "cert_file", f"the file {path} holds no certificate", "give a PEM certificate and its chain"
        ) from None


def _not_after(der: bytes) -> float:
    """`notAfter` of a DER certificate (RFC 5280 4.1): the standard library shows it of a peer's only."""
    _, certificate, _ = _read_element(der)
    _, fields, _ = _read_element(certificate)
    tag, _, rest = _read_element(fields)
    skipped = 3 if tag == _VERSION else 2  # serial number (after the version), signature algorithm, issuer
    for _ in range(skipped):
        _, _, rest = _read_element(rest)
    _, validity, _ = _read_element(rest)
    _, _, after = _read_element(validity)
    tag, value, _ = _read_element(after)
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280 4.1.2.5.1: years 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _read_element(der: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first element."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise ValueError("an element is longer than what holds it")
    return tag, der[start : start + length], der[start + length :]
