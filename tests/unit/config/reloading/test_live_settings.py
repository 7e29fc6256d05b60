"""The table of what is live and what is not: whole, and without contradictions."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from gateway.config.reloading.live_settings import LIVE, RESTART
from gateway.config.schema.settings import Settings


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field's type consists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _is_named(annotation: Any) -> bool:
    """Whether a field holds sections by name."""
    return get_origin(annotation) is Mapping


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every path of the schema at which something may be set. Sections by name are one, `name.*`."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        sections = [each for each in _sections(field.annotation) if each.__name__ != "SecretRef"]
        if _is_named(field.annotation):
            yield f"{path}.*"
        elif sections:
            if not field.is_required() and field.default is None:
                yield path  # whether it stands there at all
            for section in sections:
                yield from _paths(section, f"{path}.")
        else:
            yield path


def _covers(entry: str, path: str) -> bool:
    return path.startswith(entry[:-1]) if entry.endswith(".*") else path == entry


def test_every_setting_is_live_or_waits_for_a_restart() -> None:
    """Each path of the schema has one entry, and each entry is about some path."""
    paths, entries = set(_paths(Settings)), LIVE | RESTART
    assert {"listen", "tls", "tls.cert_file", "upstream.proxy", "consumers.*"} <= paths
    found = {path: [entry for entry in entries if _covers(entry, path)] for path in paths}
    assert {path for path, about in found.items() if len(about) != 1} == set()
    assert {entry for entry in entries if not any(_covers(entry, path) for path in paths)} == set()


def test_nothing_is_both() -> None:
    assert not LIVE & RESTART
