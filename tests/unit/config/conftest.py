"""A configuration file per test, and the variables it refers to."""

from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError

ACCOUNT_SID = "AC" + "0a" * 16
KEY_SID = "SK" + "1b" * 16
DIGEST = "sha256:" + "2c" * 32
ENVIRON = {"ACCOUNT_SID": ACCOUNT_SID, "KEY_SID": KEY_SID, "KEY_SECRET": "s3cret-of-the-key"}

CREDENTIALS = """\
credentials:
  main:
    account_sid: {env: ACCOUNT_SID}
    keys: [{sid: {env: KEY_SID}, secret: {env: KEY_SECRET}}]
"""
"""Lines 1 to 4 of `GOOD`."""
CONSUMERS = f"""\
consumers:
  billing:
    keys: ["{DIGEST}"]
    credential: main
    allow: [everything]
"""
"""Lines 5 to 9 of `GOOD`: what is appended to it begins in line 10, and may go on in `consumers.billing`."""
GOOD = CREDENTIALS + CONSUMERS

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return path

    return write


def complaints(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    """The lines of the error, with the bare name of the file; none if it is good."""
    try:
        load_resolved(path, ENVIRON | (environ or {}))
    except ConfigError as error:
        return str(error).replace(f"{path.parent}/", "").splitlines()
    return []


def complaint(path: Path, environ: dict[str, str] | None = None) -> str:
    """The one line of the error."""
    lines = complaints(path, environ)
    assert len(lines) == 1, lines
    return lines[0]


def cases(*rows: tuple[str, str, str]) -> list[ParameterSet]:
    """Rows of (id, given, expected)."""
    return [pytest.param(given, expected, id=name) for name, given, expected in rows]
