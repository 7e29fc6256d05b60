"""The architecture of docs/architecture.md: one ladder of imports, pure rooms, one meaning a name."""

import ast
import graphlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import GATEWAY as _ROOT
from tests.support.sources import SIMULATOR as _SIMULATOR
from tests.support.sources import TREES
from tests.support.sources import modules as _modules

pytestmark = pytest.mark.sources

_MAX_LINES = 300
_MAX_LOOSE_MODULES = 6

LADDER: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {"background", "build_info", "errors", "exchange"},
            {"http"},
            {"audit", "ca", "redis", "retry"},
            {"twilio"},
            {"consumers"},
            {"identity", "concurrency"},
            {"policy"},
            {"config", "rate_limits", "upstream"},
            {"client_relay", "idempotency", "key_usage", "listener", "repeat_guard", "stops"},
            {"outcome_resolution", "webhooks"},
            {"explanation", "observe", "secret_stores"},
            {"decisions", "replicas", "self_service"},
            {"admin", "handler"},
            {"app"},
            {"commands"},
            {"__main__"},
        ),
    )
)
"""Each rung may import what stands above it in this list, and nothing else."""

_PURE_ROOMS = ("http", "twilio", "consumers", "policy", "retry")
_PURE_FILES = (
    "concurrency/adaptive_limit.py",
    "concurrency/fair_queue.py",
    "concurrency/share_split.py",
    "idempotency/claim_rules.py",
    "outcome_resolution/listed_resources.py",
    "outcome_resolution/look_requests.py",
    "outcome_resolution/look_schedule.py",
    "outcome_resolution/look_verdict.py",
    "identity/authentication.py",
    "identity/client_certificates.py",
    "identity/credential_fields.py",
    "identity/credential_hints.py",
    "identity/failure_throttle.py",
    "identity/jwks.py",
    "identity/jwt_claims.py",
    "identity/request_id.py",
    "replicas/merged_tables.py",
    "replicas/replica_listing.py",
    "replicas/row_filter.py",
    "rate_limits/destinations.py",
    "rate_limits/gcra.py",
)
_NOT_AT_RUN_TIME = ("twilio/catalogue/generate.py", "twilio/catalogue/package_reader.py")

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


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def _dotted(path: Path, root: Path = _ROOT) -> str:
    return ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")


def _room(path: Path) -> str:
    return path.relative_to(_ROOT).parts[0].removesuffix(".py")


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
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body, [])


def _rooms_imported(tree: ast.Module) -> set[str]:
    found = {name.split(".")[1] for name in _imports(tree) if name.startswith("gateway.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", _modules(_ROOT), ids=_name)
def test_imports_climb_one_ladder(path: Path) -> None:
    room = _room(path)
    imported = _rooms_imported(TREES[path]) - {room}
    if room == "__init__":
        assert not imported
        return
    height = next((index for index, rung in enumerate(LADDER) if room in rung), None)
    assert height is not None, f"{room} has no rung: give it one here and in docs/architecture.md"
    assert imported <= frozenset().union(*LADDER[:height])


@pytest.mark.parametrize("root", [_ROOT, _SIMULATOR], ids=lambda root: root.name)
def test_no_import_leads_back(root: Path) -> None:
    """No module imports itself by way of others, not even inside a room."""
    modules = {_dotted(path, root): path for path in _modules(root)}
    below: dict[str, set[str]] = {}
    for name, path in modules.items():
        tree = _without_types(TREES[path])
        wanted = (found if found in modules else found.rpartition(".")[0] for found in _imports(tree))
        below[name] = modules.keys() & set(wanted) - {name}
    graphlib.TopologicalSorter(below).prepare()  # raises CycleError


def test_the_simulator_knows_nothing_of_the_gateway() -> None:
    for path in _modules(_SIMULATOR):
        assert not [name for name in _imports(TREES[path]) if name.startswith("gateway")], path


def test_few_modules_stand_alone() -> None:
    loose = [path.name for path in _ROOT.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert len(loose) <= _MAX_LOOSE_MODULES, loose


def _pure_files() -> list[Path]:
    rooms = (path for room in _PURE_ROOMS for path in _modules(_ROOT / room))
    files = [path for path in rooms if _name(path) not in _NOT_AT_RUN_TIME]
    return sorted([*files, *(_ROOT / name for name in _PURE_FILES)])


@pytest.mark.parametrize("path", _pure_files(), ids=_name)
def test_decisions_are_pure(path: Path) -> None:
    tree = TREES[path]
    assert not {name.split(".")[0] for name in _imports(tree)} & _IMPURE
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)
        assert not isinstance(node, ast.Global | ast.Nonlocal)
        if isinstance(node, ast.Attribute):
            assert node.attr not in _CLOCKS, "the clock is an argument"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}


@pytest.mark.parametrize("path", [*_modules(_ROOT), *_modules(_SIMULATOR)], ids=str)
def test_a_module_says_what_it_owns_and_stays_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(TREES[path]), "a file opens with what it owns"
    assert len(text.splitlines()) <= _MAX_LINES


def test_a_file_name_means_one_thing() -> None:
    names = Counter(path.name for root in (_ROOT, _SIMULATOR) for path in _modules(root))
    del names["__init__.py"], names["__main__.py"]
    assert not [name for name, count in names.items() if count > 1]


def test_a_class_name_means_one_thing() -> None:
    """Names that begin with an underscore are a file's own."""
    classes = Counter(
        node.name
        for root in (_ROOT, _SIMULATOR)
        for path in _modules(root)
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in classes.items() if count > 1]


def test_tests_mirror_the_policies() -> None:
    """A policy has its table of cases where one looks for it."""
    for path in _modules(_ROOT / "policy"):
        if path.name not in ("__init__.py", "snapshot.py"):
            assert (Path(__file__).parent / "policy" / f"test_{path.name}").exists(), path.name
