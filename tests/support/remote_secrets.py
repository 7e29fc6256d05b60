"""A configuration whose Twilio key is in a store, loaded as `gateway serve` does it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import ConfigError
from gateway.secret_stores.secret_cache import SecretCache
from tests.support.running import ENVIRON, configuration


def write_configuration(folder: Path, secret: Mapping[str, str], **stores: Any) -> Path:
    """A file whose one key has this reference as its secret; `stores` is `secret_stores:`."""
    path = folder / "gateway.yaml"
    text = configuration("http://127.0.0.1:9", secret_stores={"timeout_seconds": 30, **stores})
    text["credentials"]["main"]["keys"][0]["secret"] = dict(secret)
    path.write_text(yaml.safe_dump(text))
    return path


async def load(path: Path, remote: SecretCache, environ: Mapping[str, str] = ENVIRON) -> ResolvedSettings:
    """Off the loop, because the store may be on it."""
    return await asyncio.to_thread(load_resolved, path, environ, remote)


async def secret_of(
    path: Path, remote: SecretCache | None = None, environ: Mapping[str, str] = ENVIRON
) -> str:
    """The key's secret."""
    resolved = await load(path, remote or SecretCache(), environ)
    return resolved.credentials["main"].keys[0].secret.reveal()


async def complaint_of(
    path: Path, remote: SecretCache | None = None, environ: Mapping[str, str] = ENVIRON
) -> str:
    """The one line of the error, without the file's folder."""
    try:
        await load(path, remote or SecretCache(), environ)
    except ConfigError as error:
        (line,) = str(error).splitlines()
        return line.replace(f"{path.parent}/", "")
    raise AssertionError("the configuration is good")


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SecretEvents:
    """What a `SecretCache` told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def __call__(self, event: str, reference: str, why: str) -> None:
        self.told.append((event, reference, why))
