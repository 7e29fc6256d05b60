"""A copy of this checkout with its hot modules compiled, for tests and benchmarks of the compiled build.

`python -m tests.support.compiled_tree [--pytest ARGUMENT...]` makes it in `build/compiled`, if anything has
changed since, and prints where it is, or runs pytest in it. The compiled modules come out of a wheel that is
built as `make wheel` builds it, so that what is tested is what is shipped.
"""

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.support.compiler_cache import cached_compiler

ROOT = Path(__file__).parents[2]
_TREE = ROOT / "build" / "compiled"
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", ".*_cache", "__pycache__", "node_modules"
)
OBJECTS = ROOT / "build" / "objects"
"""What the C compiler made of mypyc's text, for whichever build comes second."""
_BUILT_FROM = ("pyproject.toml", "hatch_build.py", "deploy/requirements-compile.lock")


def compiled_tree() -> Path:
    """Build it, or find it built: `gateway` is compiled there, everything else is a copy."""
    _TREE.parent.mkdir(exist_ok=True)
    stamp = _TREE.parent / "compiled.sha256"
    sources = _digest([ROOT / name for name in _BUILT_FROM] + sorted((ROOT / "gateway").rglob("*.py")))
    libraries = _TREE.parent / "compiled-wheel"
    if not stamp.exists() or stamp.read_text() != sources:
        shutil.rmtree(libraries, ignore_errors=True)
        build_wheel("compiled", libraries)
        stamp.write_text(sources)
    shutil.rmtree(_TREE, ignore_errors=True)
    shutil.copytree(ROOT, _TREE, ignore=_LEFT_OUT)
    (wheel,) = libraries.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                archive.extract(name, _TREE)
    compileall.compile_dir(_TREE, quiet=1)  # once, not in each process that a test starts
    return _TREE


def build_wheel(kind: str, folder: Path) -> None:
    """`kind` is pure or compiled; what it needs is installed already, none is fetched."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT),
        ],
        env={**os.environ, "GATEWAY_BUILD": kind, "CC": cached_compiler(OBJECTS)},
        check=True,
    )  # fmt: skip


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    """Print the tree's place, or pytest's exit code."""
    tree = compiled_tree()
    if arguments[:1] != ["--pytest"]:
        print(tree)
        return 0
    # First on the path, so that neither pytest nor the processes it starts find the checkout's own package.
    environ = {**os.environ, "PYTHONPATH": str(tree), "GATEWAY_EXPECTED_BUILD": "compiled"}
    command = [sys.executable, "-m", "pytest", *arguments[1:]]
    return subprocess.run(command, cwd=tree, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
