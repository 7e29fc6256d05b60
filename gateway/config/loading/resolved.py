"""The configuration with every reference followed: what `snapshot.py` compiles from.

Values only; `resolve.py` makes them. Secrets stay `Secret` until the snapshot builds a header out of one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config.loading.certificate_files import TlsMaterial
from gateway.config.problems import Origins, Problem
from gateway.config.schema.addresses import ListenAddress
from gateway.config.schema.consumer_settings import ConsumerSettings
from gateway.config.schema.identity_settings import IssuerSettings
from gateway.config.schema.secret_values import Secret
from gateway.config.schema.settings import Settings
from gateway.config.schema.webhook_settings import WebhookRouteSettings, Webhooks, WebhookSecretSettings

if TYPE_CHECKING:  # it needs the cryptography package
    from gateway.ca.certificate_minter import IssuingAuthority


class ResolvedKey(NamedTuple):
    """A Twilio API key: the user name and password of Basic authentication."""

    sid: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class ResolvedAccount:
    """A subaccount. Without keys and token of its own, its credential's are used."""

    account_sid: str
    keys: tuple[ResolvedKey, ...]
    auth_token: Secret | None


@dataclass(frozen=True, slots=True)
class ResolvedCredential:
    """A Twilio account, with at least one key or a token."""

    name: str
    account_sid: str
    keys: tuple[ResolvedKey, ...]
    """In the order in which they are tried; `auth_token` comes after them."""
    auth_token: Secret | None
    subaccounts: tuple[ResolvedAccount, ...]
    region: str
    edge: str | None
    """The file's, or the region's default; None is for us1 alone."""
    asks: bool = False
    """Whether Twilio is asked about open outcomes."""


@dataclass(frozen=True, slots=True)
class ResolvedConsumerKey:
    """The digest of a consumer's key. No two in a configuration have the same digest."""

    digest: str
    """64 lower-case hexadecimal digits: SHA-256 of the key's UTF-8 bytes, without `sha256:`."""
    expires: float | None
    """Seconds since the epoch."""

    def ending_by(self, when: datetime | None) -> "ResolvedConsumerKey":
        """The key of a consumer that ends then: it ends with it, or before."""
        ends = None if when is None else when.timestamp()
        if ends is None or (self.expires is not None and self.expires <= ends):
            return self
        return ResolvedConsumerKey(self.digest, ends)


@dataclass(frozen=True, slots=True)
class ResolvedConsumer:
    """A consumer; what needed no resolving is in `settings`."""

    name: str
    keys: tuple[ResolvedConsumerKey, ...]
    settings: ConsumerSettings

    def evidence(self) -> Iterator[str]:
        """The ways to identify it, in the order of the configuration: keys, certificates, JWTs."""
        for key in self.keys:
            yield f"key:{key.digest}"
        for certificate in self.settings.certificates:
            yield f"certificate:{certificate.name}"
        for token in self.settings.jwt:
            yield f"jwt:{token.issuer}:{sorted(token.claims.items())}"


@dataclass(frozen=True, slots=True)
class TrustedFile:
    """A file of CA certificates (PEM) that could be used."""

    path: Path
    digest: bytes
    """SHA-256 of its content: the same path may hold others after a reload."""


@dataclass(frozen=True, slots=True)
class ResolvedIssuer:
    """An issuer of JWTs; what needed no resolving is in `settings`."""

    settings: IssuerSettings
    jwks: bytes | None
    """What `jwks_file` holds; None if the keys are fetched."""
    ca_file: TrustedFile | None
    token_file: Path | None
    """Exists and was readable. Read again at each fetch, so it is not among `files`."""


class Role(StrEnum):
    """What a process serves, and so which secrets it reads."""

    BOTH = "both"
    DATA = "data"
    WEBHOOKS = "webhooks"


class ResolvedWebhookSecret(NamedTuple):
    """`sid` is the account whose webhooks it signs."""

    settings: WebhookSecretSettings
    sid: str
    secret: Secret


class ResolvedWebhookRoute(NamedTuple):
    """`sid` is the account whose events it takes."""

    settings: WebhookRouteSettings
    sid: str
    sign_with: Secret


@dataclass(frozen=True, slots=True)
class ResolvedWebhooks:
    """The webhook port; what needed no resolving is in `settings`."""

    settings: Webhooks
    listen: ListenAddress
    tls: TlsMaterial | None
    ca_file: TrustedFile | None
    """Trusted instead of the system's certificates, for the services."""
    secrets: tuple[ResolvedWebhookSecret, ...]
    routes: tuple[ResolvedWebhookRoute, ...]


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """The whole configuration; what needed no resolving is in `settings`."""

    settings: Settings
    listen: ListenAddress
    tls: TlsMaterial | None
    """A context of this configuration's own, for `listen`."""
    ca: "IssuingAuthority | None"
    admin_listen: ListenAddress
    page_token: Secret | None
    metrics_token: Secret | None
    operate_token: Secret | None
    store_key: Secret | None
    """32 bytes in base64."""
    audit_key: Secret | None
    """None without an audit trail."""
    store: Secret | None
    """The URL of Redis, which may hold a password; None is `memory`."""
    proxy: Secret | None
    """The URL of the egress proxy, which may hold a password."""
    ca_file: TrustedFile | None
    """Trusted instead of the system's certificates, for connections to Twilio."""
    credentials: Mapping[str, ResolvedCredential]
    consumers: Mapping[str, ResolvedConsumer]
    issuers: tuple[ResolvedIssuer, ...]
    files: tuple[Path, ...]
    """The configuration file and every file that was read for it: what a reload watches."""
    origins: Origins
    """Makes Problems with file and line: `origins.problem(("consumers", "billing", "allow", 0), "…")`."""
    warnings: tuple[Problem, ...]
    webhooks: ResolvedWebhooks | None
    """None without a webhook port, and where the process serves none."""
    role: Role
    config_hash: str
    """12 hexadecimal digits that change with the file's bytes and the overrides, but for those that only
    distinguish one instance from another."""
