"""Reads the intermediate of `ca:`: one that may sign for a few names only, or an error that says why not.

Needs the cryptography package, and is imported only where `ca:` is configured.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.ca.authority_files import AuthorityError, load_key, read_certificates, read_file
from gateway.ca.certificate_authority import SigningPair
from gateway.ca.certificate_minter import IssuingAuthority
from gateway.config.loading.certificate_files import CertificateError
from gateway.config.schema.ca_settings import CaSettings
from gateway.config.schema.secret_values import LocalRef

_GIVE_CA_PEM = "give the `ca.pem` of `gateway ca init`, with the intermediate and the root in this order"


def load_authority(ca: CaSettings, environ: Mapping[str, str], base_dir: Path) -> IssuingAuthority:
    """The intermediate with its key, and the root's certificate. Raises `CertificateError`."""
    path = base_dir / ca.certificate
    try:
        found = read_certificates(path)
    except AuthorityError as error:
        raise CertificateError("certificate", error.message, error.hint) from None
    if len(found) != 2:
        raise CertificateError(
            "certificate", f"{path} holds {len(found)} certificate(s), not two", _GIVE_CA_PEM
        )
    certificate, root = found
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        message = f"the first certificate in {path} was not issued by the second"
        raise CertificateError("certificate", message, _GIVE_CA_PEM) from None
    try:
        key = load_key(_read_key(ca.key, environ, base_dir), certificate)
    except AuthorityError as error:
        raise CertificateError("key", error.message, error.hint) from None
    authority = IssuingAuthority(SigningPair(certificate, key), root)
    _require_constraints(authority, path)
    for name in ca.names:
        if not authority.permits(name):
            raise CertificateError(
                "names",
                f"the intermediate cannot sign for {name}",
                f"run `gateway ca renew DIR --host {name}`, where the root's key is",
            )
    return authority


def _require_constraints(authority: IssuingAuthority, path: Path) -> None:
    """One that could sign for any name, or for other CAs, is more than the gateway may hold."""
    certificate = authority.pair.certificate
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        bounded = certificate.extensions.get_extension_for_class(x509.NameConstraints).critical
    except x509.ExtensionNotFound:
        bounded = False
    if not bounded or not authority.permitted or not basic.ca or basic.path_length != 0:
        message = f"the first certificate in {path} is no intermediate with critical name constraints"
        raise CertificateError("certificate", message, _GIVE_CA_PEM)


def _read_key(reference: LocalRef, environ: Mapping[str, str], base_dir: Path) -> bytes:
    if reference.file is not None:
        return read_file(base_dir / reference.file)
    name = reference.env or ""
    if name not in environ:
        raise AuthorityError(f"the environment variable {name} is not set", f"set {name} and start again")
    return os.fsencode(environ[name])
