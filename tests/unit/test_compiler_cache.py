"""What the tests' C compiler keeps: an object per text, options and compiler, wherever the sources lie."""

import subprocess
from pathlib import Path

import pytest

from tests.support.compiler_cache import cached_compiler

pytestmark = pytest.mark.sources

_COMPILER = """#!/bin/sh
# Preprocesses by leaving out comments; compiles by copying, unless the text says that it is wrong.
for last; do :; done
case "$*" in
  --version) echo "$VERSION" ;;
  *-E*) grep -v "^//" "$2" ;;
  *) echo "$*" >> "$DONE"; cp "$3" "$last"; ! grep -q WRONG "$3" ;;
esac
"""
_TEXT = "int x;\n" * 20_000


class Workshop:
    """A compiler behind the cache, and how often it compiled."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.done = folder, folder / "done"
        self.done.touch()
        compiler = folder / "cc"
        compiler.write_text(_COMPILER)
        compiler.chmod(0o755)
        monkeypatch.setenv("CC", str(compiler))
        self.command = cached_compiler(folder / "kept").split()
        self.environ = {"PATH": "/usr/bin:/bin", "DONE": str(self.done), "VERSION": "1"}

    def compile(self, text: str, option: str = "-O2", *, place: str = "a") -> int:
        """The exit status."""
        (self.folder / place).mkdir(exist_ok=True)
        source, target = self.folder / place / "x.c", self.folder / place / "x.o"
        source.write_text(text)
        target.unlink(missing_ok=True)
        command = [*self.command, option, "-c", str(source), "-o", str(target)]
        status = subprocess.run(command, env=self.environ, check=False).returncode
        assert target.exists()
        return status

    @property
    def compiled(self) -> int:
        """How often the compiler itself ran."""
        return len(self.done.read_text().splitlines())


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(tmp_path, monkeypatch)


def test_the_same_text_is_compiled_once(workshop: Workshop) -> None:
    for place, comment in (("a", ""), ("b", ""), ("c", "// another place\n")):
        assert workshop.compile(comment + _TEXT, place=place) == 0
    assert workshop.compiled == 1
    assert (workshop.folder / "b" / "x.o").read_text() == _TEXT


def test_what_differs_is_compiled_again(workshop: Workshop) -> None:
    workshop.compile(_TEXT)
    workshop.compile(_TEXT + "int y;\n")
    workshop.compile(_TEXT, "-O3")
    workshop.environ["VERSION"] = "2"
    workshop.compile(_TEXT)
    assert workshop.compiled == 4
    assert (workshop.folder / "a" / "x.o").read_text() == _TEXT


def test_what_failed_is_not_kept(workshop: Workshop) -> None:
    for _ in range(2):
        assert workshop.compile(_TEXT + "WRONG\n") == 1
    assert workshop.compiled == 2


def test_a_stub_is_not_looked_for(workshop: Workshop) -> None:
    for _ in range(2):
        assert workshop.compile("int x;\n") == 0
    assert workshop.compiled == 2
    assert not (workshop.folder / "kept").exists()


def test_a_header_that_names_itself_is_one_text_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "cc")
    for name in ("a", "b"):
        place = tmp_path / name
        place.mkdir()
        (place / "h.h").write_text("static inline const char *name(void) { return __FILE__; }\n")
        (place / "x.c").write_text('#include "h.h"\n' + _TEXT)
        command = [*cached_compiler(tmp_path / "kept").split(), f"-I{place}", "-c", str(place / "x.c")]
        subprocess.run([*command, "-o", str(place / "x.o")], check=True)
    assert len(list((tmp_path / "kept").glob("*.o"))) == 1
