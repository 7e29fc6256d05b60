"""One immutable value is a configuration: what is decided by, what every part works by, and the certificates.

Made once at the start and once per reload; the gateway applies it in the same way both times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.app.options import Options, options_of
from gateway.app.requirements import find_unmet
from gateway.app.webhook_options import WebhookOptions, webhook_options_of
from gateway.config.compile import compile_snapshot
from gateway.config.loading.certificate_files import TlsMaterial
from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedSettings, Role
from gateway.config.problems import ConfigError
from gateway.identity.jwks_cache import KeySource
from gateway.policy.snapshot import Snapshot
from gateway.secret_stores.secret_cache import SecretCache

if TYPE_CHECKING:
    from gateway.ca.certificate_minter import IssuingAuthority


@dataclass(frozen=True, slots=True)
class Configuration:
    """`tls` is a context of this configuration's own, None for plain HTTP. `webhooks` is None without a port
    for them."""

    snapshot: Snapshot
    options: Options
    tls: TlsMaterial | None
    webhooks: WebhookOptions | None = None
    role: Role = Role.BOTH
    ca: "IssuingAuthority | None" = None
    """The intermediate that certificates are minted with."""
    own_names: frozenset[str] = frozenset()
    """The gateway's own names, which `tls.mint` shows certificates for."""

    @property
    def key_sources(self) -> dict[str, KeySource]:
        """Where the keys of each issuer of JWTs come from, by its name."""
        jwk_sets = self.snapshot.jwk_sets
        return {
            name: source._replace(jwks=jwk_sets.get(name)) for name, source in self.options.issuers.items()
        }


def make_configuration(resolved: ResolvedSettings) -> Configuration:
    """Compile a resolved configuration. Raises `ConfigError` with everything that cannot be used."""
    unmet = find_unmet(resolved)
    try:
        snapshot = compile_snapshot(resolved)
    except ConfigError as error:
        raise ConfigError([*unmet, *error.problems], error.partial) from None
    if unmet:
        raise ConfigError(unmet)
    webhooks = None if resolved.webhooks is None else webhook_options_of(resolved.webhooks)
    ca = resolved.settings.ca
    names = frozenset(() if ca is None else ca.names)
    options = options_of(resolved)
    return Configuration(snapshot, options, resolved.tls, webhooks, resolved.role, resolved.ca, names)


def with_further_problems(error: ConfigError) -> ConfigError:
    """The error of a configuration whose secrets or files could not be read, with what else is wrong."""
    if not isinstance(error.partial, ResolvedSettings):
        return error
    try:
        make_configuration(error.partial)
    except ConfigError as further:
        return ConfigError([*error.problems, *further.problems], error.partial)
    return error


class ConfigurationSource(NamedTuple):
    """Where a configuration is read from, at the start and at each reload. The lifecycle closes `secrets`."""

    path: Path
    environ: Mapping[str, str]
    secrets: SecretCache
    role: Role = Role.BOTH

    def load(self, *, apart: bool = False) -> ResolvedSettings:
        """Read it; blocks. `apart`: beside a loop that serves, so that a large one is read by a child.

        Raises `ConfigError` with everything that is wrong with it.
        """
        try:
            return load_resolved(*self, apart=apart)
        except ConfigError as error:
            raise with_further_problems(error) from None
