"""Which references to secrets the settings hold, wherever they stand. Follows none of them."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from gateway.background.breathing import breathe
from gateway.config.schema.secret_values import SecretRef
from gateway.config.schema.settings import Settings


def remote_references(settings: Settings) -> tuple[SecretRef, ...]:
    """Those that a store must be asked for, each once, in the schema's order."""
    return tuple(dict.fromkeys(found for found in _references(settings) if found.is_remote))


def _references(value: object) -> Iterator[SecretRef]:
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if inner is not None and not isinstance(inner, str | float):
                yield from _references(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            breathe()
            yield from _references(inner)
    elif isinstance(value, tuple):
        for inner in value:
            if not isinstance(inner, str):
                yield from _references(inner)
