"""The documents point at what is there: files, headings, tests and settings of the page's own repository."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.sources

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = sorted([_ROOT / "README.md", *(_ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TEST = re.compile(r"`((?:tests|gateway|deploy|config)/[a-z_/0-9.-]+)`")
_BENCH = re.compile(r"python -m (tests\.bench\.[a-z_.]+)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The headings of a document as links name them."""
    found = _HEADING.findall(path.read_text("utf-8"))
    return {re.sub(r"[^a-z0-9 _-]", "", text.lower()).strip().replace(" ", "-") for text in found}


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(path.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_files_and_commands_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in _TEST.findall(text):
        assert (_ROOT / name).exists() or (_ROOT / "gateway" / name).exists(), name
    for module in _BENCH.findall(text):
        base = _ROOT / module.rstrip(".").replace(".", "/")
        assert base.with_suffix(".py").exists() or base.is_dir(), module


_SOURCES = sorted(
    path for room in ("gateway", "twilio_simulator", "tests") for path in (_ROOT / room).rglob("*.py")
)
_DESIGN = re.compile(r"docs/design\.md ((?:\d(?:\.\d+)?(?:, )?)+)")
_SECTIONS = {
    heading.split()[0].rstrip(".")
    for heading in _HEADING.findall((_ROOT / "docs/design.md").read_text("utf-8"))
}
_ENDS = {
    "/".join(source.parts[-length:])
    for source in _SOURCES
    for length in range(1, len(source.relative_to(_ROOT).parts) + 1)
}
"""Whatever a path may be cited by: its name, or its name and the folders around it."""
_MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
_DECISION = re.compile(r"\bADRs? (\d+)")
_NOWHERE = re.compile(r"(?<![/\w.])design \d(?:\.\d+)?|(?<!docs/)\bfacts/|\bissue \d+\b")


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_citations_lead_somewhere(path: Path) -> None:
    """A comment cites what is in this repository, or on the Web."""
    text = path.read_text("utf-8")
    assert path == Path(__file__) or not _NOWHERE.search(text)
    for cited in _DESIGN.findall(text):
        assert set(re.findall(r"\d(?:\.\d+)?", cited)) <= _SECTIONS, cited
    for number in _DECISION.findall(text):
        assert list((_ROOT / "docs/adr").glob(f"{int(number):04}-*.md")), f"ADR {number}"
    for module in _MODULE.findall(text):
        assert module in _ENDS, module


def test_the_architecture_names_what_is_there() -> None:
    text = (_ROOT / "docs/architecture.md").read_text("utf-8")
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", text):
        assert (_ROOT / "gateway" / name).exists() or (_ROOT / name).exists(), name
