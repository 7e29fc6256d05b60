"""The data path is written over aiohttp's parsers and connector; no code of aiohttp's is copied."""

import ast
from collections.abc import Iterator
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
STATEMENTS = 2
CHARACTERS = 150


def passages(source: str) -> Iterator[str]:
    """Statements that follow each other, however they are formatted, imports and docstrings aside."""
    for node in ast.walk(ast.parse(source)):
        for name in ("body", "orelse", "finalbody"):
            found = getattr(node, name, None)
            if not isinstance(found, list):
                continue
            texts = [
                ast.unparse(each)
                for each in found
                if not isinstance(each, ast.Import | ast.ImportFrom)
                and not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
            for first in range(len(texts) - STATEMENTS + 1):
                passage = "\n".join(texts[first : first + STATEMENTS])
                if len(passage) >= CHARACTERS:
                    yield passage


def test_no_code_of_aiohttp_is_copied() -> None:
    theirs = {
        passage
        for path in Path(aiohttp.__file__).parent.rglob("*.py")
        for passage in passages(path.read_text())
    }
    assert len(theirs) > 2_000  # the installed sources were read
    for package in ("gateway", "twilio_simulator"):
        for path in (ROOT / package).rglob("*.py"):
            assert not theirs.intersection(passages(path.read_text())), path


def test_a_copy_would_be_seen() -> None:
    source = (Path(aiohttp.__file__).parent / "web_protocol.py").read_text()
    formatted_anew = ast.unparse(ast.parse(source))
    assert formatted_anew != source
    assert set(passages(formatted_anew)) == set(passages(source)) != set()
