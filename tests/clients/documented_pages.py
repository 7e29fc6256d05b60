"""A page of docs/, worked through: its blocks run in their order, in one folder, as they are printed.

Only the gateway's address is another. What a block says that it prints is printed
(`tests/support/fenced_blocks.py` has the notation).
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.clients.programs import NODE_FOLDER
from tests.support.authority import make_authority
from tests.support.fenced_blocks import Block, Kind, is_printed, read_blocks
from tests.support.running import KEY, Running, digest, running_gateway
from twilio_simulator import Simulator

PAGES: Final = Path(__file__).parents[2] / "docs" / "clients"
REPORTS_KEY: Final = "gw0123456789test0key0of0the0consumer0called0reports"
_SECONDS = 120


async def work_through(
    page: Path,
    folder: Path,
    *,
    addresses: dict[str, str],
    environ: dict[str, str],
    runs: Sequence[Kind] = ("run",),
    after_each: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run, write and compare each block in its turn; `addresses` are replaced in all of them."""
    printed = ""
    for block in _read(page):
        text = block.text
        for name, address in addresses.items():
            text = text.replace(name, address)
        if block.kind == "file":
            (folder / block.name).write_text(text)
        elif block.kind in runs:
            printed = await _run(f"{page.name}:{block.line}", text, folder, environ)
        elif block.kind == "output":
            assert is_printed(text, printed), f"{page.name}:{block.line}: it printed {printed}"
        if after_each is not None:
            await after_each()


def _read(page: Path) -> list[Block]:
    return read_blocks(page.read_text("utf-8"))


async def _run(where: str, text: str, folder: Path, environ: dict[str, str]) -> str:
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH") if name in os.environ}
    node = {"NODE_PATH": str(NODE_FOLDER / "node_modules")}
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", text, cwd=folder, env={"PATH": tools, **kept, **node, **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{where}: {errors.decode()}{output.decode()}"
    return output.decode()


@dataclass(frozen=True)
class Desk:
    """A folder with `root.pem` and `billing.key`, and two gateways: by address, and by name."""

    folder: Path
    plain: Running
    minting: Running
    simulator: Simulator
    environ: dict[str, str] = field(default_factory=lambda: {"BILLING_KEY": KEY, "REPORTS_KEY": REPORTS_KEY})

    async def work_through(self, page: Path, runs: Sequence[Kind] = ("run",)) -> None:
        """Each block in its turn."""
        addresses = {
            "gateway:8080": f"127.0.0.1:{self.plain.port}",
            "gateway:8443": f"127.0.0.1:{self.minting.port}",
        }
        await work_through(page, self.folder, addresses=addresses, environ=self.environ, runs=runs)


def documented_consumers() -> dict[str, Any]:
    """The consumers of docs/clients/README.md, with keys of these tests."""
    text = next(block.text for block in _read(PAGES / "README.md") if block.name == "consumers.yaml")
    consumers: dict[str, Any] = yaml.safe_load(text)["consumers"]
    for name, key in (("billing", KEY), ("reports", REPORTS_KEY)):
        consumers[name]["keys"] = [digest(key)]
    return consumers


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """The gateways have the consumers of docs/clients/README.md, in front of one simulator."""
    ca = make_authority(folder)
    key_file = folder / "billing.key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    consumers = documented_consumers()
    async with (
        Simulator() as simulator,
        running_gateway(simulator.url, consumers=consumers, ca=ca) as plain,
        running_gateway(simulator.url, consumers=consumers, ca=ca, tls={"mint": True}) as minting,
    ):
        yield Desk(folder, plain, minting, simulator)
