"""The architecture as design 3 has it: imports point one way, policy is pure, every module is a room."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway

_ROOT = Path(gateway.__file__).parent
_MOST_LINES = 300

_BOTTOM = {"exchange", "errors", "catalogue"}
_POLICY = _BOTTOM | {"policy", "rendering"}
_SIDES = _POLICY | {"store"}
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "exchange": set(),
    "catalogue": set(),
    "simulator": set(),
    "tail": set(),
    "store": {"errors"},
    "rendering": {"errors", "catalogue"},
    "policy": _BOTTOM - {"exchange"},  # policies never receive the record of an exchange
    "config": {"catalogue", "errors", "policy"},
    "secret_stores": {"config"},  # asks stores for what the file refers to; whoever loads it hands it over
    "upstream": _SIDES | {"admission"},  # a slot is held per attempt
    "admission": _SIDES | {"upstream"},  # answers are kept for repeats
    "identity": _POLICY,  # verifies what policy cannot look up
    "observe": _SIDES,
    "listener": _SIDES | {"upstream"},
    "webhooks": _SIDES | {"config", "upstream", "admission", "observe", "listener"},
    "admin": _SIDES | {"config", "upstream", "admission", "observe", "listener", "identity"},
    "judging": _POLICY | {"config", "admission"},
    "explaining": _POLICY | {"config", "admission", "upstream", "judging"},
    "handler": _SIDES | {"config", "upstream", "admission", "observe", "listener", "identity", "judging"},
    "parts": _SIDES | {"config", "upstream", "admission", "observe", "identity"},
    "reloads": _SIDES | {"config", "observe"},
    "app": _SIDES
    | {"config", "upstream", "admission", "observe", "listener", "webhooks", "admin", "handler", "parts"}
    | {"identity", "reloads"},
    "memory": set(),
    "notify": set(),
    "commands": {
        "app",
        "config",
        "explaining",
        "simulator",
        "tail",
        "policy",
        "catalogue",
        "errors",
        "memory",
        "notify",
        "secret_stores",
        "parts",
        "upstream",
    },
    "__main__": {"commands", "config"},
}
"""What each part may import besides itself: app -> handler, webhooks, admin -> upstream, admission, observe,
listener -> policy, rendering -> errors, catalogue. A part that is not listed here has no place yet."""

_IMPURE = {
    "aiohttp",
    "asyncio",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "structlog",
    "time",
    "uvloop",
}
_CLOCKS = {"now", "utcnow", "today"}


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def _dotted(path: Path) -> str:
    return ".".join(("gateway", *path.relative_to(_ROOT).with_suffix("").parts)).removesuffix(".__init__")


def _part(path: Path) -> str:
    return path.relative_to(_ROOT).parts[0].removesuffix(".py")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything imported, at whatever depth it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where an arrow points"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _without_types(tree: ast.Module) -> ast.Module:
    """The module as it runs: less what stands under `if TYPE_CHECKING`."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return tree


def _parts_imported(tree: ast.Module) -> set[str]:
    found = {name.split(".")[1] for name in _imports(tree) if name.startswith("gateway.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", _modules(_ROOT), ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    part = _part(path)
    if part == "__init__":
        assert not _parts_imported(_tree(path))
        return
    assert part in ARROWS, f"{part} has no place in the architecture: give it one here and in design 3"
    assert _parts_imported(_tree(path)) - {part} <= ARROWS[part]


def test_nothing_leads_back() -> None:
    """No module imports itself by way of others, not even inside a part."""
    modules = {_dotted(path): path for path in _modules(_ROOT)}
    below: dict[str, set[str]] = {}
    for name, path in modules.items():
        tree = _without_types(_tree(path))
        wanted = (found if found in modules else found.rpartition(".")[0] for found in _imports(tree))
        below[name] = modules.keys() & set(wanted) - {name}
    graphlib.TopologicalSorter(below).prepare()  # raises CycleError


def test_only_the_snapshot_knows_policy() -> None:
    """The schema and its readers know the names of settings; what these mean is compiled in one place.

    (`limits` is part of that place; `reference` writes the documents and names the sets of rules; `changes`
    masks SIDs as the log does; `reach` says where a rule stands that grants nothing.)
    """
    knowing = {_name(path) for path in _modules(_ROOT / "config") if "policy" in _parts_imported(_tree(path))}
    known = ("snapshot", "limits", "reference", "changes", "reach")
    assert knowing <= {f"config/{name}.py" for name in known}


@pytest.mark.parametrize("path", [*_modules(_ROOT / "policy"), _ROOT / "rendering.py"], ids=_name)
def test_policies_are_pure(path: Path) -> None:
    tree = _tree(path)
    assert not {name.split(".")[0] for name in _imports(tree)} & _IMPURE
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        assert not isinstance(node, ast.Global | ast.Nonlocal)
        if isinstance(node, ast.Attribute):
            assert node.attr not in _CLOCKS, "the clock is an argument"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}


@pytest.mark.parametrize("path", _modules(_ROOT), ids=_name)
def test_a_module_says_what_it_owns_and_stays_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a file opens with what it owns"
    assert len(text.splitlines()) <= _MOST_LINES


def test_tests_mirror_the_policies() -> None:
    """A policy has its table of cases where one looks for it."""
    for path in _modules(_ROOT / "policy"):
        if path.name != "__init__.py":
            assert (Path(__file__).parent / "policy" / f"test_{path.name}").exists(), path.name
