"""Which references to secrets the settings hold, wherever they stand. Follows none of them."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from gateway.background.breathing import breathe
from gateway.config.loading.resolved import Role
from gateway.config.schema.account_settings import CredentialSettings, Subaccount
from gateway.config.schema.secret_values import LocalRef, SecretRef
from gateway.config.schema.settings import Settings
from gateway.config.schema.upstream_settings import Upstream

_UNUSED: Final[Mapping[tuple[type[BaseModel], Role], frozenset[str]]] = {
    (Settings, Role.DATA): frozenset({"webhooks"}),
    (Settings, Role.WEBHOOKS): frozenset({"consumers", "jwt", "tls"}),
    (Upstream, Role.WEBHOOKS): frozenset({"proxy"}),
    (CredentialSettings, Role.WEBHOOKS): frozenset({"keys", "auth_token"}),
    (Subaccount, Role.WEBHOOKS): frozenset({"keys", "auth_token"}),
}
"""What a role does not read of a section."""


def remote_references(settings: Settings, role: Role = Role.BOTH) -> tuple[SecretRef, ...]:
    """Those that a store must be asked for by `role`, each once, in the schema's order."""
    found = (each for each in _references(settings, role) if isinstance(each, SecretRef) and each.is_remote)
    return tuple(dict.fromkeys(found))


def variable_references(settings: Settings) -> frozenset[str]:
    """The environment variables that secrets are read from, the key of the CA and tokens of stores, too."""
    return frozenset(found.name for found in _references(settings, Role.BOTH) if found.scheme == "env")


def _references(value: object, role: Role) -> Iterator[LocalRef]:
    if isinstance(value, LocalRef):
        yield value
    elif isinstance(value, BaseModel):
        unused = _UNUSED.get((type(value), role), frozenset())
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if name not in unused and inner is not None and not isinstance(inner, str | float):
                yield from _references(inner, role)
    elif isinstance(value, Mapping):
        for inner in value.values():
            breathe()
            yield from _references(inner, role)
    elif isinstance(value, tuple):
        for inner in value:
            if not isinstance(inner, str):
                yield from _references(inner, role)
