"""A C compiler that compiles a text once: the compiled tree and the image are built of the same sources.

    CC="python tests/support/compiler_cache.py FOLDER cc"

Everything before and behind it is done each time: mypyc writes its C, the linker links. What is kept is known
by the preprocessed text, the options and the compiler. Of two that compile the same at once, one waits.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_KEPT = 4
_LARGE_BYTES = 100_000  # of a source; mypyc writes one, and a stub for each module
_OF_PLACES = ("-I", "-o")


def cached_compiler(folder: Path) -> str:
    """The value of CC: before the compiler that would be taken."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC")
    return f"{sys.executable} -IS {Path(__file__).resolve()} {folder} {compiler}"


def main(folder: Path, command: list[str]) -> int:
    """The compiler's exit status."""
    if "-c" not in command or Path(command[command.index("-c") + 1]).stat().st_size < _LARGE_BYTES:
        return subprocess.run(command, check=False).returncode
    target = Path(command[command.index("-o") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{_key(command)}.o"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            status = subprocess.run(command, check=False).returncode
            if status != 0:
                return status
            fresh = kept.with_suffix(".new")
            shutil.copyfile(target, fresh)
            fresh.replace(kept)
            _forget_old(folder)
        else:
            shutil.copyfile(kept, target)
    return 0


def _key(command: list[str]) -> str:
    """Of what decides the object file: not the place of a header, but what stands in it.

    A header of mypyc's names itself in errors (`__FILE__`), which would make each place another text.
    """
    unnamed = [f"-fmacro-prefix-map={each[2:]}=" for each in command if each.startswith("-I")]
    preprocessed = [*_without(command, ("-c", "-o")), *unnamed, "-E", "-P"]
    text = subprocess.run(preprocessed, check=True, stdout=subprocess.PIPE).stdout
    version = subprocess.run([command[0], "--version"], check=True, stdout=subprocess.PIPE).stdout
    options = [each for each in _without(command, _OF_PLACES) if each.startswith("-") and each[:2] != "-I"]
    digest = hashlib.sha256(b"\0".join([version, *map(str.encode, options), b""]))
    digest.update(text)  # more than 100 MB
    return digest.hexdigest()


def _without(command: list[str], names: tuple[str, ...]) -> list[str]:
    """`-c` is alone; the others have a value behind them."""
    left: list[str] = []
    given = iter(command)
    for each in given:
        if each not in names:
            left.append(each)
        elif each != "-c":
            next(given)
    return left


def _forget_old(folder: Path) -> None:
    """All but the newest few."""
    for path in sorted(folder.glob("*.o"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        path.unlink()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
