"""What we use of aiohttp beyond its public interface, one list a file: an upgrade of aiohttp is read there.

Counted are names that are in neither `aiohttp.__all__` nor `aiohttp.web.__all__`, and underscore attributes
of objects that are not ours. The lists are compared with the sources, so that they can be trusted.
"""

import ast
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import gateway

pytestmark = pytest.mark.sources

ROOT = Path(gateway.__file__).parent
# aiohttp.abc has no `__all__`; its resolvers are documented ("Abstract Base Classes" in aiohttp's reference).
_RESOLVERS = {"AbstractResolver", "ResolveResult"}
PUBLIC = frozenset(aiohttp.__all__) | frozenset(web.__all__) | _RESOLVERS

LISTENER = {
    "listener/request_parser.py": {"HttpRequestParser", "BadHttpMessage", "LineTooLong"},
}
"""The only file that knows aiohttp. aiohttp reads no attribute of ours: its parser makes no payload."""


def imported(path: Path) -> set[str]:
    """The names that a file imports from aiohttp's modules."""
    tree = ast.parse(path.read_text())
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiohttp"
        for alias in node.names
    } | {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] == "aiohttp"
    }


def attributes_of(path: Path, modules: set[str]) -> set[str]:
    """What a file takes from these modules, by a dot."""
    tree = ast.parse(path.read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and node.attr != "__version__"
    }


def underscored(path: Path) -> set[str]:
    """Private attributes that are read or set on anything but `self` and `cls`."""
    tree = ast.parse(path.read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "body"))
    }


@pytest.mark.parametrize("path", sorted((ROOT / "listener").glob("*.py")), ids=lambda path: path.name)
def test_the_listener_uses_what_is_listed_and_nothing_else(path: Path) -> None:
    listed = LISTENER.get(f"listener/{path.name}", set())
    assert imported(path) - PUBLIC == listed
    assert underscored(path) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "upstream").glob("*.py")), ids=lambda path: path.name)
def test_the_upstream_side_uses_the_public_interface_only(path: Path) -> None:
    """aiohttp's connector makes connections, and hands them over (ADR 11)."""
    assert imported(path) <= PUBLIC
    assert underscored(path) == set()


def test_no_other_file_names_anything_that_is_not_public() -> None:
    """Neither by importing it nor as an attribute of the two modules that are imported whole."""
    whole = {"aiohttp", "web"}
    found = {
        str(path.relative_to(ROOT)): foreign
        for path in sorted(ROOT.rglob("*.py"))
        if "aiohttp" in path.read_text()
        and (foreign := (imported(path) - whole | attributes_of(path, whole)) - PUBLIC)
    }
    assert found == LISTENER


def test_the_list_is_short() -> None:
    """At most 15 in all, with those of `upstream/`."""
    assert sum(map(len, LISTENER.values())) <= 7
