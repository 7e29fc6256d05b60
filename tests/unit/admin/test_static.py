"""The live page's sources keep the rules of the house: small rooms, text as text, nothing from elsewhere."""

import hashlib
import re
from pathlib import Path

import pytest

import gateway.admin

_STATIC = Path(gateway.admin.__file__).parent / "static"
_OURS = sorted(path for path in _STATIC.iterdir() if path.suffix in (".js", ".css", ".html", ".svg"))
_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
)
_ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/2000/svg)[a-z]|@import")
_INLINE = re.compile(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:")


def test_vendored_files_are_as_published() -> None:
    """What stands in uPlot.VERSION.txt is what is served."""
    lines = (_STATIC / "vendor/uPlot.VERSION.txt").read_text().splitlines()[1:]
    assert len(lines) == 3
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((_STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", _OURS, ids=lambda path: path.name)
def test_sources_are_plain(path: Path) -> None:
    """No markup out of strings, nothing from the Internet, nothing that the policy would stop."""
    text = path.read_text()
    assert not _MARKUP.search(text)
    assert not _ELSEWHERE.search(text)
    assert path.suffix != ".html" or not _INLINE.search(text)
    assert len(text.splitlines()) <= 250
    assert path.suffix != ".js" or text.startswith("// "), "a file opens with what it owns"


def test_every_module_is_there() -> None:
    """What modules and the page name is served under that name."""
    for path in _OURS:
        for name in re.findall(r'from "\./([^"]+)"|/static/([\w./-]+)', path.read_text()):
            assert (_STATIC / "".join(name)).is_file(), (path.name, name)
