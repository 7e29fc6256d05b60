"""Stand-ins for secrets and mounted files, so that a configuration can be checked without them, in CI.

Every value has the form that is wanted, and two references have two values. Reads nothing.
"""

import base64
import hashlib
from typing import TYPE_CHECKING

from gateway.config.loading.certificate_files import TlsMaterial
from gateway.config.loading.resolved import ResolvedIssuer, TrustedFile
from gateway.config.problems import KeyPath
from gateway.config.schema import values
from gateway.config.schema.addresses import UrlForm
from gateway.config.schema.ca_settings import CaSettings
from gateway.config.schema.identity_settings import IssuerSettings
from gateway.config.schema.secret_values import Secret, SecretRef
from gateway.config.schema.tls_settings import Tls
from gateway.config.schema.values import TextPattern

if TYPE_CHECKING:
    from gateway.ca.certificate_minter import IssuingAuthority


def stand_in(reference: SecretRef, wanted: TextPattern | UrlForm | None) -> Secret:
    """A value for a reference that is not followed; `wanted` is its form, None that of a token."""
    text = hashlib.sha256(str(reference).encode()).hexdigest()
    if wanted is values.ACCOUNT_SID:
        text = f"AC{text[:32]}"
    elif wanted is values.KEY_SID:
        text = f"SK{text[:32]}"
    elif wanted is values.DIGEST:
        text = values.DIGEST_PREFIX + text
    elif wanted is values.STORE_KEY:
        text = base64.b64encode(bytes.fromhex(text)).decode()
    elif isinstance(wanted, UrlForm):
        text = wanted.example
    return Secret(text, str(reference))


class UnreadFiles:
    """In the place of `NamedFiles`: no file is looked for."""

    def tls(self, tls: Tls | None, path: KeyPath) -> TlsMaterial | None:
        """No certificate."""

    def authority(self, ca: CaSettings | None, path: KeyPath) -> "IssuingAuthority | None":
        """No CA."""

    def issuer(self, issuer: IssuerSettings, path: KeyPath) -> ResolvedIssuer:
        """An issuer without the keys of its file."""
        return ResolvedIssuer(issuer, None, None, None)

    def authorities(self, name: str | None, path: KeyPath) -> TrustedFile | None:
        """No CA certificates."""
