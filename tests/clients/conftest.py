"""What the clients share: a scene per test, an environment that leads nowhere else, and their programs."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.programs import NODE_FOLDER, Curl, require_tool
from tests.clients.scene import Scene, open_scene

_LEADS_ELSEWHERE = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "twilio_edge",
    "twilio_region",
    "node_options",
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _LEADS_ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A gateway in this process, in front of a simulator."""
    async with open_scene() as opened:
        yield opened


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Scene]:
    """The same with `gateway serve` as a process of its own, under the event loop of production."""
    async with open_scene(tmp_path) as opened:
        yield opened


@pytest.fixture
def curl(tmp_path: Path) -> Curl:
    """The curl program."""
    return Curl(require_tool("curl"), tmp_path)


@pytest.fixture(scope="session")
def node() -> str:
    """The node program, with the packages of `node/` installed."""
    program = require_tool("node")
    if not (NODE_FOLDER / "node_modules" / "twilio").is_dir():
        npm = require_tool("npm")
        subprocess.run([npm, "ci", "--ignore-scripts"], cwd=NODE_FOLDER, check=True, timeout=300)
    return program
