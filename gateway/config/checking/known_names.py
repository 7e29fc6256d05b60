"""The names that the schema knows at a place of the configuration, and which of them was meant."""

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Any

from gateway.config.problems import KeyPath, looks_like_a_secret
from gateway.config.schema.settings import Settings


def suggest(name: str, known: list[str]) -> str:
    """`did you mean 'allow'?`, or all names there are."""
    known = [each for each in known if not looks_like_a_secret(each)]
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean '{close[0]}'?"
    return f"known here: {', '.join(known)}" if known else "remove it"


def known_names(path: KeyPath) -> list[str]:
    """The names that the schema knows in the section at `path`."""
    return [name for place in _places(path) for name in place.get("properties", {})]


def describe_name(path: KeyPath) -> str:
    """What the schema says of the name at `path`."""
    for section in _places(path[:-1]):
        if found := section.get("properties", {}).get(path[-1]):
            return str(found.get("description", ""))
    return ""


@cache
def _schema() -> dict[str, Any]:
    return Settings.model_json_schema()


def _places(path: KeyPath) -> list[dict[str, Any]]:
    """The parts of the JSON Schema that may describe the value at `path`: several if it has several forms."""
    places = _forms(_schema())
    for part in path:
        places = [form for place in places for inner in _inner(place, part) for form in _forms(inner)]
    return places


def _inner(place: Mapping[str, Any], part: str | int) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [place["items"]] if "items" in place else []
    if part in place.get("properties", {}):
        return [place["properties"][part]]
    # A mapping by names of the author's choice: its one pattern is that of a name.
    return list(place.get("patternProperties", {}).values())


def _forms(place: dict[str, Any]) -> list[dict[str, Any]]:
    if reference := place.get("$ref"):
        return _forms(_schema()["$defs"][reference.rpartition("/")[2]])
    choices = place.get("anyOf") or place.get("oneOf")
    return [form for choice in choices for form in _forms(choice)] if choices else [place]
