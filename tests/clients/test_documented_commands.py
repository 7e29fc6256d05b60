"""The commands and programs of docs/clients/, run against a gateway in front of a simulated Twilio."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.clients.documented_pages import PAGES, Desk, open_desk
from tests.clients.programs import require_tool
from tests.support.fenced_blocks import read_blocks
from tests.support.running import KEY

NEEDED: Final = ("go", "java", "php", "ruby")
SENDS: Final = {
    "README": 0, "low-code": 0, "python": 3, "node": 2, "go": 1,
    "java": 2, "csharp": 0, "php": 2, "ruby": 1, "curl": 3,
}  # fmt: skip
"""How many messages the programs of each page send."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("page", SENDS)
async def test_the_commands_of_a_page(page: str, node: str, desk: Desk) -> None:
    if page in NEEDED:
        require_tool(page)
    await desk.work_through(PAGES / f"{page}.md")
    created = desk.simulator.counts()["created"]
    assert isinstance(created, dict)
    assert created.get("messages", 0) == SENDS[page]
    lines = desk.plain.exchanges() + desk.minting.exchanges()
    assert {line["consumer"] for line in lines} <= {"billing"}
    assert not [line for line in lines if KEY in json.dumps(line)]


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in read_blocks(page.read_text("utf-8")):
        assert (block.kind == "prose") == block.excused, f"{page.name}:{block.line}"
