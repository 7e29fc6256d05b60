"""How the loading asks stores for secrets: an interface, and its stand-in where none is asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway.config.schema.secret_store_settings import SecretStores
from gateway.config.schema.secret_values import RemoteSecret, Secret, SecretError, SecretRef


class RemoteSource(Protocol):
    """Asks stores: `gateway.secret_stores.secret_cache.RemoteSecrets`."""

    def fetch(
        self,
        stores: SecretStores,
        references: Sequence[SecretRef],
        environ: Mapping[str, str],
        base_dir: Path,
    ) -> RemoteSecret:
        """Ask for all `references`, none of which is local, at once. Blocks for `stores.timeout_seconds` at
        most."""


def ask_no_store(reference: SecretRef) -> Secret:
    """Refuses every reference to a store."""
    raise SecretError(
        f"{reference} is in a store, and none is asked here", "write {env: NAME} or {file: PATH}"
    )
