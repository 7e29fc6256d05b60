"""What is compiled (pyproject.toml) is fit for it: mypyc's limits, and the GIL, which it does not give up.

Each rule was broken once: mypy is content, and it fails or stalls at run time (docs/adr/0014).
"""

import ast
import importlib
import importlib.util
import os
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from gateway.build_info import build_kind
from tests.support import sources
from tests.support.sources import GATEWAY

_ROOT = Path(__file__).parents[2]
_EXPECTED = os.environ.get("GATEWAY_EXPECTED_BUILD", "pure")
"""`compiled` where tests run in a compiled copy of the checkout (`tests/support/compiled_tree.py`)."""

_NEVER = ("__main__.py", "admin/", "app/", "commands/", "config/", "observe/live/", "secret_stores/")
_OF_OBSERVE = {"observe/log/exchange_line.py", "observe/metrics/exchange_counts.py"}
_TO_THREADS = {"Thread", "Timer", "ThreadPoolExecutor", "to_thread", "run_in_executor"}
_NOT_NATIVE = {"Enum", "Exception", "IntEnum", "NamedTuple", "Protocol", "StrEnum", "TypedDict"}


def _load_hook() -> dict[str, object]:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    hook: dict[str, object] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return hook


def _compiled() -> list[str]:
    """Paths below the checkout, as the build finds them."""
    spec = importlib.util.spec_from_file_location("hatch_build", _ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    found: list[str] = build.find_modules(_ROOT, _load_hook())
    return found


COMPILED = _compiled()
TREES = {
    path.relative_to(GATEWAY.parent).as_posix(): sources.TREES[path] for path in sources.modules(GATEWAY)
}
_INTERPRETED = sorted(TREES.keys() - set(COMPILED))
_COMPILED_MODULES = tuple(f"{name.removesuffix('.py').replace('/', '.')}:" for name in COMPILED)


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> `module:name` of everything that is imported from the gateway."""
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway")
        for alias in node.names
    }


def _handed_to_threads(tree: ast.Module) -> Iterator[str]:
    """The names of functions and methods that are given to a thread."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _TO_THREADS:
                for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    for name in ast.walk(value):
                        if isinstance(name, ast.Attribute):
                            yield name.attr
                        elif isinstance(name, ast.Name):
                            yield name.id


def test_the_list_names_files_of_the_data_path_only() -> None:
    assert len(COMPILED) == len(set(COMPILED)) > 30
    for path in COMPILED:
        name = path.removeprefix("gateway/")
        assert not name.startswith(_NEVER), path
        assert not name.startswith("observe/") or name in _OF_OBSERVE, path


def test_what_is_left_out_is_there() -> None:
    """A file that was renamed would be compiled again."""
    left_out = _load_hook()["interpreted"]
    assert isinstance(left_out, list)
    assert all((_ROOT / name).exists() for name in left_out)


@pytest.mark.sources
@pytest.mark.parametrize("path", COMPILED)
def test_no_thread_runs_what_is_compiled(path: str) -> None:
    tree = TREES[path]
    assert not list(_handed_to_threads(tree))
    assert not any(
        name.split(".")[0] in ("threading", "concurrent")
        for node in ast.walk(tree)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    )


@pytest.mark.sources
@pytest.mark.parametrize("path", _INTERPRETED)
def test_nothing_compiled_is_handed_to_a_thread(path: str) -> None:
    imported = _imported(TREES[path])
    for name in _handed_to_threads(TREES[path]):
        source = imported.get(name, "")
        assert not source.startswith(_COMPILED_MODULES), f"{name} is compiled, and keeps the GIL"


@pytest.mark.sources
@pytest.mark.parametrize("path", COMPILED)
def test_no_name_is_two_exceptions(path: str) -> None:
    """mypy gives each `except … as name` a type of its own; mypyc gives the function's variable the first."""
    for function in ast.walk(TREES[path]):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            types: dict[str, set[str]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
                    types.setdefault(node.name, set()).add(ast.unparse(node.type))
            assert not {name: found for name, found in types.items() if len(found) > 1}, function.name


@pytest.mark.sources
@pytest.mark.parametrize("path", COMPILED)
def test_no_finally_reads_what_may_be_none_until_its_try_ends_well(path: str) -> None:
    """mypyc takes it for what it then is: the read raises, in place of what was raised (`findings/`)."""
    for function in ast.walk(TREES[path]):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            optional = set(_optional_names(function))
            for node in ast.walk(function):
                if isinstance(node, ast.Try):
                    given = _names(node.body, ast.Store)
                    assert not optional & given & _names(node.finalbody, ast.Load), function.name


def _optional_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Variables that are None at first, or may be by their annotation."""
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign) and "None" in ast.unparse(node.annotation):
            yield ast.unparse(node.target)
        elif isinstance(node, ast.Assign) and "None" in ast.unparse(node.value).split(", "):
            yield from (ast.unparse(each) for target in node.targets for each in _elements(target))


def _elements(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple) else [target]


def _names(nodes: list[ast.stmt], context: type[ast.expr_context]) -> set[str]:
    return {
        ast.unparse(each)
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute) and isinstance(each.ctx, context)
    }


@pytest.mark.sources
@pytest.mark.parametrize("path", COMPILED)
def test_nothing_is_used_that_mypyc_cannot_compile(path: str) -> None:
    """Async generators, and a dataclass with type variables, which fails when it is imported."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.AsyncFunctionDef):
            assert not any(isinstance(each, ast.Yield) for each in ast.walk(node)), node.name
        if isinstance(node, ast.ClassDef):
            generic = any(ast.unparse(base).startswith("Generic[") for base in node.bases)
            data = any("dataclass" in ast.unparse(each) for each in node.decorator_list)
            assert not (generic and data), node.name
            defaults = [
                each for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign) and each.value
            ]
            raised = any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
            assert not (raised and defaults), f"{node.name}: a class's defaults are not set on exceptions"


@pytest.mark.sources
@pytest.mark.parametrize("path", COMPILED)
def test_no_tuple_of_fractions_is_final(path: str) -> None:
    """mypyc takes it for one that was never set: NameError where it is used."""
    for node in TREES[path].body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Final":
            items = node.value.elts if isinstance(node.value, ast.Tuple) else []
            fractions = [
                each for each in items if isinstance(each, ast.Constant) and isinstance(each.value, float)
            ]
            assert not fractions, ast.unparse(node.target)


@cache
def _native_classes() -> frozenset[str]:
    """`module:name` of all that are compiled to native ones."""
    return frozenset(
        f"{_module(name)}:{node.name}"
        for name in COMPILED
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.ClassDef) and not {ast.unparse(base) for base in node.bases} & _NOT_NATIVE
    )


@pytest.mark.sources
@pytest.mark.parametrize("path", _INTERPRETED)
def test_no_interpreted_class_derives_from_a_compiled_one(path: str) -> None:
    """Making one raises TypeError: "interpreted classes cannot inherit from compiled"."""
    imported = _imported(TREES[path])
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ClassDef):
            bases = {imported.get(ast.unparse(base).partition("[")[0], "") for base in node.bases}
            assert not bases & _native_classes(), node.name


def test_the_build_that_is_expected_runs() -> None:
    """All of it: a stub that is missing would let one module run as plain Python, or not at all."""
    assert build_kind() == _EXPECTED
    ends = tuple(EXTENSION_SUFFIXES) if _EXPECTED == "compiled" else (".py",)
    for path in COMPILED:
        assert str(importlib.import_module(_module(path)).__file__).endswith(ends), path
    for path in _INTERPRETED:
        spec = importlib.util.find_spec(_module(path).removesuffix(".__init__"))
        assert spec is not None
        assert str(spec.origin).endswith(".py"), path
