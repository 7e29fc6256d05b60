"""Environment variables that override the file: `GATEWAY__ADMIN__LISTEN` sets `admin.listen`.

pydantic-settings ignores names it does not know, and merges where a replacement is meant (`{env: A}` by
`{file: B}`); so the names are laid over the file's values here, and the schema judges both alike. A value
replaces what the file has at that path. Names with a single underscore are not ours: Kubernetes sets
`GATEWAY_PORT` for a Service of that name.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.config.problems import Finding, KeyPath

PREFIX: Final = "GATEWAY__"
_SEPARATOR: Final = "__"
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_IPV6: Final = re.compile(r"\[[0-9a-fA-F:.]+\]:[0-9]{1,5}")
"""An address to listen at, which begins like a list of JSON."""
_TEXTS: Final = frozenset({"credential", "region", "file", "stop_file", "key_usage_file"})
"""Settings that are compared as texts: a credential may have the name `30`."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """The file's values with the overrides laid over them, and which variable gave what."""

    tree: Mapping[str, object]
    variables: Mapping[KeyPath, str]
    findings: tuple[Finding, ...]


def variable_of(setting: str) -> str:
    """`admin.listen` -> `GATEWAY__ADMIN__LISTEN`."""
    return PREFIX + setting.replace(".", _SEPARATOR).upper()


def override_names(environ: Mapping[str, str]) -> list[str]:
    """The variables that are overrides, a section before what is in it."""
    names = [name for name in environ if name.upper().startswith(PREFIX)]
    return sorted(names, key=lambda name: (name.count(_SEPARATOR), name))


def read_overrides(environ: Mapping[str, str]) -> list[tuple[KeyPath, object]]:
    """(path, value) of each override, once `apply_overrides` has found them good."""
    return [(_path(name), _read_value(environ[name])) for name in override_names(environ)]


def apply_overrides(tree: Mapping[str, object], environ: Mapping[str, str]) -> Overridden:
    """Lay the overrides over `tree`, which is not changed. Pure."""
    result = dict(tree)
    variables: dict[KeyPath, str] = {}
    findings: list[Finding] = []
    for name in override_names(environ):
        path = _path(name)
        try:
            value = _read_value(environ[name])
            _judge_path(path, path in variables)
            for made in _set(result, path, value):
                variables.setdefault(made, name)
            variables[path] = name
        except _OverrideError as error:
            # Reported under the variable alone: the path may be no path at all.
            variables[(name,)] = name
            findings.append(Finding((name,), *error.args))
    return Overridden(result, variables, tuple(findings))


def _path(name: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in name[len(PREFIX) :].split(_SEPARATOR))


class _OverrideError(Exception):
    """Its arguments are the message and the hint of a finding."""


def _judge_path(path: tuple[str, ...], given: bool) -> None:
    if not all(part and part.isprintable() for part in path):
        raise _OverrideError("has an empty or unprintable part", "write a name like GATEWAY__ADMIN__LISTEN")
    if given:
        raise _OverrideError("given twice, in upper and lower case", "keep one of the two")


def _read_value(text: str) -> object:
    """JSON for null, lists, mappings and quoted text; the rest as it stands, for the schema to convert."""
    if (text != "null" and not text.startswith(("{", "[", '"'))) or _IPV6.fullmatch(text):
        return text
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except (ValueError, RecursionError):
        # `from None`: the original error holds the text.
        raise _OverrideError(
            "not JSON", 'write a list as ["a", "b"] and a mapping as {"env": "NAME"}'
        ) from None


def _mapping(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, value in pairs:
        if name in result:
            raise ValueError("a name is given twice")
        result[name] = value
    return result


def _set(tree: dict[str, object], path: tuple[str, ...], value: object) -> list[KeyPath]:
    """Set the value, making the sections on the way to it. Returns the paths of those it made."""
    made: list[KeyPath] = []
    section = tree
    for depth, name in enumerate(path[:-1], start=1):
        inner = section.get(name)
        if isinstance(inner, dict):
            inner = section[name] = dict(inner)  # the file's values are not changed
        if isinstance(inner, list):
            place = ".".join(path[:depth])
            raise _OverrideError(f"{place} is a list", "set the whole list, as JSON")
        if not isinstance(inner, dict):
            inner = section[name] = {}
            made.append(path[:depth])
        section = inner
    section[path[-1]] = value
    return made


def read_texts(tree: Mapping[str, object], variables: Iterable[KeyPath]) -> dict[str, object]:
    """The tree with what variables set read as YAML has it: `true` and `30`, which the schema takes as well,
    are a switch and a number to those who compare values. Only for them: a name may be `30`, too."""
    result = dict(tree)
    for path in variables:
        if path[-1] in _TEXTS:
            continue
        section: object = result
        for name in path[:-1]:
            inner = section.get(name) if isinstance(section, dict) else None
            if isinstance(section, dict) and isinstance(inner, dict):
                inner = section[name] = dict(inner)
            section = inner
        if isinstance(section, dict) and isinstance(text := section.get(path[-1]), str):
            section[path[-1]] = _read_scalar(text)
    return result


def _read_scalar(text: str) -> object:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return float(text) if _NUMBER.fullmatch(text) else text
