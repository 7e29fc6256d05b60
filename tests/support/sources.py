"""The sources of gateway and simulator as syntax trees, parsed once for all tests that read them.

Parsed while tests are collected, so that no garbage collection looks through them (`tests/conftest.py`).
"""

import ast
from pathlib import Path

import gateway
import twilio_simulator

GATEWAY = Path(gateway.__file__).parent
SIMULATOR = Path(twilio_simulator.__file__).parent

TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for folder in (GATEWAY, SIMULATOR)
    for path in sorted(folder.rglob("*.py"))
}
"""By path. They are for all: not to be changed."""


def modules(folder: Path) -> list[Path]:
    """The files of one of the two packages, or of a room, in order."""
    return [path for path in TREES if path.is_relative_to(folder)]
