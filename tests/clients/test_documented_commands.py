"""The commands and programs of docs/clients/, run as they are printed, against a gateway in front of a simulator.

A page's blocks run in their order, in one folder; only the gateway's address is another. What a block says that
it prints is printed (`tests/support/fenced_blocks.py` has the notation).
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.clients.programs import NODE_FOLDER, require_tool
from tests.support.authority import make_authority
from tests.support.fenced_blocks import Block, is_printed, read_blocks
from tests.support.running import KEY, Running, digest, running_gateway
from twilio_simulator import Simulator

PAGES: Final = Path(__file__).parents[2] / "docs" / "clients"
REPORTS_KEY: Final = "gw0123456789test0key0of0the0consumer0called0reports"
NEEDED: Final = {"go": ("go",), "java": ("java",), "node": ("node",), "php": ("php",), "ruby": ("ruby",)}
_SECONDS = 120


@dataclass(frozen=True)
class Desk:
    """A folder with `root.pem` and `billing.key`, and two gateways: by address, and by name."""

    folder: Path
    plain: Running
    minting: Running
    simulator: Simulator

    async def work_through(self, page: Path, extra: dict[str, str] | None = None) -> None:
        """Each block in its turn."""
        printed = ""
        for block in read_blocks(page.read_text("utf-8")):
            text = self._lead_here(block.text)
            if block.kind == "file":
                (self.folder / block.name).write_text(text)
            elif block.kind == "run":
                printed = await self._run(page, block, text, extra or {})
            elif block.kind == "output":
                assert is_printed(text, printed), f"{page.name}:{block.line}: it printed {printed}"

    def _lead_here(self, text: str) -> str:
        text = text.replace("gateway:8080", f"127.0.0.1:{self.plain.port}")
        return text.replace("gateway:8443", f"127.0.0.1:{self.minting.port}")

    async def _run(self, page: Path, block: Block, text: str, extra: dict[str, str]) -> str:
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environ = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH") if name in os.environ}
        environ |= {"PATH": tools, "BILLING_KEY": KEY, "REPORTS_KEY": REPORTS_KEY}
        environ |= {"NODE_PATH": str(NODE_FOLDER / "node_modules"), **extra}
        process = await asyncio.create_subprocess_exec(
            "sh", "-eu", "-c", text, cwd=self.folder, env=environ, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"{page.name}:{block.line}: {errors.decode()}{output.decode()}"
        assert KEY not in (output + errors).decode()
        return output.decode()


def documented_consumers() -> dict[str, Any]:
    """The consumers of docs/clients/README.md, with keys of these tests."""
    blocks = read_blocks((PAGES / "README.md").read_text("utf-8"))
    text = next(block.text for block in blocks if block.name == "consumers.yaml")
    consumers: dict[str, Any] = yaml.safe_load(text)["consumers"]
    for name, key in (("billing", KEY), ("reports", REPORTS_KEY)):
        consumers[name]["keys"] = [digest(key)]
    return consumers


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    ca = make_authority(tmp_path)
    key_file = tmp_path / "billing.key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    consumers = documented_consumers()
    async with (
        Simulator() as simulator,
        running_gateway(simulator.url, consumers=consumers, ca=ca) as plain,
        running_gateway(simulator.url, consumers=consumers, ca=ca, tls={"mint": True}) as minting,
    ):
        yield Desk(tmp_path, plain, minting, simulator)


SENDS: Final = {
    "README": 0, "low-code": 0, "python": 3, "node": 2, "go": 1, "java": 1, "csharp": 0, "php": 2, "ruby": 1, "curl": 3,
}  # fmt: skip
"""How many messages the programs of each page send."""


@pytest.mark.slow
@pytest.mark.parametrize("page", SENDS)
async def test_the_commands_of_a_page(page: str, node: str, desk: Desk) -> None:
    for tool in NEEDED.get(page, ()):
        require_tool(tool)
    await desk.work_through(PAGES / f"{page}.md")
    created = desk.simulator.counts()["created"]
    assert isinstance(created, dict)
    assert created.get("messages", 0) == SENDS[page]
    lines = desk.plain.exchanges() + desk.minting.exchanges()
    assert {line["consumer"] for line in lines} <= {"billing", "reports"}
    assert not [line for line in lines if KEY in json.dumps(line)]


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in read_blocks(page.read_text("utf-8")):
        assert (block.kind == "prose") == block.excused, f"{page.name}:{block.line}"
