"""The files of a CA: `root.pem`, `root.key` (encrypted, kept offline), `ca.pem` and `ca.key` (the gateway's).

Writes so that no other user can read a key, and no reader sees half a file. Reads with reasons that quote
nothing of what a file holds.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from gateway.ca.certificate_authority import (
    SigningPair,
    make_intermediate,
    make_root,
    permitted_names,
    to_pem,
)

ROOT_CERTIFICATE: Final = "root.pem"
ROOT_KEY: Final = "root.key"
CERTIFICATE: Final = "ca.pem"
"""The intermediate's certificate and the root's, in this order."""
KEY: Final = "ca.key"
_LARGEST_BYTES: Final = 1 << 20


class AuthorityError(Exception):
    """A CA's file cannot be used or written. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}")
        self.message, self.hint = message, hint


class AuthorityFiles:
    """The files in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, hosts: Iterable[str], passphrase: bytes, now: datetime) -> None:
        """Make a root and an intermediate. Raises `AuthorityError`; files that are there stay as they are."""
        self.require_empty()
        root = make_root(now)
        intermediate = make_intermediate(root, hosts, now)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.directory, error) from None
        self._write(ROOT_KEY, root.encrypted_key_pem(passphrase), 0o600)
        self._write(ROOT_CERTIFICATE, to_pem(root.certificate), 0o644)
        self._write_intermediate(intermediate, root.certificate)

    def renew(self, hosts: Iterable[str], passphrase: bytes, now: datetime) -> None:
        """Replace the intermediate; clients that trust the root see no change. It may sign for what the old
        one could, and for `hosts`. Raises `AuthorityError`."""
        root = self.load_root(passphrase)
        kept: tuple[str, ...] = ()
        if (self.directory / CERTIFICATE).exists():
            kept = permitted_names(read_certificates(self.directory / CERTIFICATE)[0])
        if root.certificate.not_valid_after_utc <= now:
            raise AuthorityError("the root has expired", "make another with `gateway ca init`")
        self._write_intermediate(make_intermediate(root, {*kept, *hosts}, now), root.certificate)

    def load_root(self, passphrase: bytes) -> SigningPair:
        """The root with its key. Raises `AuthorityError`."""
        certificate = read_certificates(self.directory / ROOT_CERTIFICATE)[0]
        return SigningPair(
            certificate, load_key(read_file(self.directory / ROOT_KEY), certificate, passphrase)
        )

    def require_empty(self) -> None:
        """Raises `AuthorityError` if a CA is there already."""
        for name in (ROOT_CERTIFICATE, ROOT_KEY, CERTIFICATE, KEY):
            if (self.directory / name).exists():
                raise AuthorityError(
                    f"{self.directory / name} is there already",
                    "name another directory, or replace the intermediate alone with `gateway ca renew`",
                )

    def _write_intermediate(self, pair: SigningPair, root: x509.Certificate) -> None:
        # The key first: a reader between the two finds a pair that does not match, keeps what it has,
        # and reads again when the certificate changes.
        self._write(KEY, pair.key_pem, 0o600)
        self._write(CERTIFICATE, to_pem(pair.certificate) + to_pem(root), 0o644)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        """Write a file in one step, with its mode from the first byte on."""
        path = self.directory / name
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    os.fchmod(file.fileno(), mode)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
            except BaseException:
                with suppress(FileNotFoundError):
                    unfinished.unlink()
                raise
        except OSError as error:
            raise _unwritable(path, error) from None


def read_root(path: Path) -> x509.Certificate:
    """The root of a directory, of `root.pem`, or of `ca.pem`, where it is last. Raises `AuthorityError`."""
    if path.is_dir():
        path = next((path / name for name in (ROOT_CERTIFICATE, CERTIFICATE) if (path / name).exists()), path)
    return read_certificates(path)[-1]


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, at least one. Raises `AuthorityError`."""
    return load_certificates(read_file(path), path)


def load_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    """Every certificate of PEM text, at least one; `path` is where it stood. Raises `AuthorityError`."""
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise AuthorityError(f"{path} holds no certificate", "give what `gateway ca init` wrote") from None


def load_key(
    content: bytes, certificate: x509.Certificate, passphrase: bytes | None = None
) -> ec.EllipticCurvePrivateKey:
    """The private key of a certificate. Raises `AuthorityError`."""
    try:
        key: PrivateKeyTypes = serialization.load_pem_private_key(content, passphrase)
    except TypeError:
        if passphrase is None:
            raise AuthorityError(
                "the key is encrypted", "give the intermediate's `ca.key`; the root's is kept offline"
            ) from None
        raise AuthorityError("the key is not encrypted", "give the `root.key` of `gateway ca init`") from None
    except ValueError:
        if passphrase is not None and b"ENCRYPTED" in content:
            raise AuthorityError("the passphrase is wrong", "give that of `gateway ca init`") from None
        raise AuthorityError("this is no private key", "give what `gateway ca init` wrote") from None
    except UnsupportedAlgorithm:
        raise AuthorityError("the key is of an unknown kind", "give what `gateway ca init` wrote") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError("the key is not an elliptic-curve key", "give what `gateway ca init` wrote")
    if key.public_key() != certificate.public_key():
        raise AuthorityError("the key is not the certificate's", "give the key that was made with it")
    return key


def read_file(path: Path) -> bytes:
    """What a file holds. Raises `AuthorityError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise AuthorityError(
            f"{path} cannot be read ({error.strerror or type(error).__name__})",
            "mount it, or correct the path",
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise AuthorityError(f"{path} is not PEM", "give what `gateway ca init` wrote")
    return content


def _unwritable(path: Path, error: OSError) -> AuthorityError:
    return AuthorityError(
        f"{path} cannot be written ({error.strerror or type(error).__name__})", "name a directory that can be"
    )
