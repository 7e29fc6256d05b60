"""Which settings a reload applies, and which wait for a restart: derived from the schema.

A setting says itself that it waits, by `RESTART` of `schema/values.py`. Must not know how
a setting is applied.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from gateway.config.schema.secret_values import LocalRef
from gateway.config.schema.settings import Settings
from gateway.config.schema.values import waits_for_restart


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field's type consists of; a reference is a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not issubclass(annotation, LocalRef):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _sections(part)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Every path at which something may be set, and whether it waits. Sections in a mapping or a list are one
    path, `name.*`; an optional section has one of its own, for whether it is there at all."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        waits = waits_for_restart(field)
        sections = list(_sections(field.annotation))
        if sections and get_origin(field.annotation) in (Mapping, tuple):
            yield f"{path}.*", waits
            continue
        if not sections or field.default is None:
            yield path, waits
        for section in sections:
            yield from _paths(section, f"{path}.")


RESTART: Final = frozenset(path for path, waits in _paths(Settings) if waits)
"""What is opened once. (`tls` here is whether there is any: what is beneath it is live.)"""
LIVE: Final = frozenset(path for path, waits in _paths(Settings) if not waits)
"""What a reload applies to the next request, or the next connection. `.*` is all beneath a name."""
