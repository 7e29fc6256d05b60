"""Finds missing indentation: valid YAML in which something is beside what it belongs to. Pure."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from gateway.config.checking.known_names import known_names
from gateway.config.problems import KeyPath

_BY_NAME: Final = ("credentials", "consumers")
_TELLING: Final[Mapping[str, frozenset[str]]] = {
    "credentials": frozenset({"account_sid", "subaccounts"}),
    "consumers": frozenset({"credential", "allow"}),
}


def find_outdented(tree: Mapping[str, object]) -> dict[KeyPath, KeyPath]:
    """The path of each -> the path below which it belongs."""
    found: dict[KeyPath, KeyPath] = {}
    for name, section in _settings_of_sections(tree):
        found[(name,)] = (section,)
    for section in _BY_NAME:
        for name in _entries(tree, section):
            found[(name,)] = (section,)
        for name, owner in _settings_of_entries(tree.get(section), section):
            found[section, name] = (section, owner)
    return found


def _entries(tree: Mapping[str, object], section: str) -> Iterator[str]:
    """Names beside a section whose values have what those in it have. If it is not empty, they must have
    something that nothing else has."""
    is_empty = tree.get(section, {}) in (None, {})
    known = set(known_names(())), set(known_names((section, "x")))
    for name, value in tree.items():
        if name in known[0] or not isinstance(value, dict) or not value or not value.keys() <= known[1]:
            continue
        if is_empty or value.keys() & _TELLING[section]:
            yield name


def _settings_of_sections(tree: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Names beside the sections, each with the one that knows it; of several the one that is empty, or the
    one that is there."""
    sections = known_names(())
    missing = [section for section in sections if section not in tree]
    for name in tree.keys() - set(sections):
        if isinstance(tree[name], dict) and get_close_matches(name, missing, 1):
            continue  # `credential:` with accounts beneath it is a misspelt section
        owners = [section for section in sections if name in known_names((section,))]
        given = [section for section in owners if section in tree]
        empty = [section for section in given if tree[section] in (None, {})]
        meant = empty or given or owners
        if len(meant) == 1:
            yield name, meant[0]


def _settings_of_entries(entries: object, section: str) -> Iterator[tuple[str, str]]:
    """Names beside a consumer, say, that are a consumer's settings, each with the consumer above it."""
    known, above = set(known_names((section, "x"))), ""
    for name, value in entries.items() if isinstance(entries, dict) else ():
        if name not in known or isinstance(value, dict):
            above = name
        elif above:
            yield name, above
