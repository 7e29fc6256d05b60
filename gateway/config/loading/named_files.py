"""Files that the configuration names and that are no secrets by reference: certificates, CAs, issuers' keys.

Reads each once, tells what is wrong with it by the caller's `refuse`, and adds it to what a reload watches.
"""

import hashlib
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.loading.certificate_files import (
    CertificateError,
    TlsMaterial,
    load_authorities,
    load_tls,
    tls_files,
)
from gateway.config.loading.resolved import ResolvedIssuer, TrustedFile
from gateway.config.problems import KeyPath
from gateway.config.schema.ca_settings import CaSettings
from gateway.config.schema.identity_settings import IssuerSettings
from gateway.config.schema.secret_values import path_of
from gateway.config.schema.tls_settings import Tls

if TYPE_CHECKING:
    from gateway.ca.certificate_minter import IssuingAuthority


class NamedFiles:
    """`watched` is added to. A relative path starts at `base_dir`."""

    def __init__(
        self,
        base_dir: Path,
        watched: dict[Path, None],
        refuse: Callable[[KeyPath, str, str], None],
        environ: Mapping[str, str],
    ) -> None:
        self._environ = environ
        self._base_dir = base_dir
        self._watched = watched
        self._refuse = refuse

    def readable(self, name: str | None, path: KeyPath, *, watch: bool = True) -> Path | None:
        """A file that can be read."""
        if name is None:
            return None
        file = self._base_dir / name
        if watch:
            self._watched[file] = None
        try:
            with file.open("rb") as content:
                content.read(1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._refuse(path, f"the file {file} cannot be read ({reason})", "mount it, or correct the path")
        return file

    def tls(self, tls: Tls | None, path: KeyPath) -> TlsMaterial | None:
        """A listener's context out of its files."""
        if tls is None:
            return None
        self._watched |= dict.fromkeys(tls_files(tls, self._base_dir))
        try:
            return load_tls(tls, self._base_dir)
        except CertificateError as error:
            self._refuse((*path, error.name), error.message, error.hint)
            return None

    def authority(self, ca: CaSettings | None, path: KeyPath) -> "IssuingAuthority | None":
        """The intermediate that certificates are signed with."""
        if ca is None:
            return None
        key = path_of(ca.key, self._base_dir)
        self._watched |= dict.fromkeys(filter(None, (self._base_dir / ca.certificate, key)))
        try:
            from gateway.config.loading.authority_file import load_authority
        except ImportError:
            self._refuse(path, "needs the cryptography package", "pip install 'twilio-gateway[cryptography]'")
            return None
        try:
            return load_authority(ca, self._environ, self._base_dir)
        except CertificateError as error:
            self._refuse((*path, error.name), error.message, error.hint)
            return None

    def issuer(self, issuer: IssuerSettings, path: KeyPath) -> ResolvedIssuer:
        """An issuer with its keys, if they are in a file."""
        ca_file = self.authorities(issuer.ca_file, (*path, "ca_file"))
        token_file = self.readable(issuer.token_file, (*path, "token_file"), watch=False)
        jwks = None
        keys = self.readable(issuer.jwks_file, (*path, "jwks_file"))
        if keys is not None and keys.is_file():
            jwks = keys.read_bytes()
        return ResolvedIssuer(issuer, jwks, ca_file, token_file)

    def authorities(self, name: str | None, path: KeyPath) -> TrustedFile | None:
        """A file of CA certificates."""
        if name is None:
            return None
        file = self._base_dir / name
        self._watched[file] = None
        try:
            load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "ca_file", file)
            return TrustedFile(file, hashlib.sha256(file.read_bytes()).digest())
        except CertificateError as error:
            self._refuse(path, error.message, error.hint)
            return None
