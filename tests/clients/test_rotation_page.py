"""docs/rotating-keys.md, worked through against `gateway serve`."""

from pathlib import Path

import pytest

from tests.clients.documented_pages import PAGES
from tests.clients.reloading_pages import exchanges_of, work_through_reloads
from tests.support.running import KEY, digest

PAGE = PAGES.parent / "rotating-keys.md"
LOGGED = [("billing", 201, None), ("billing", 201, None), ("", 401, "billing"), ("billing", 201, None)]


@pytest.mark.slow
async def test_a_key_is_rotated_as_the_page_says(tmp_path: Path) -> None:
    configured = {"OLD_KEY_SHA256": digest(KEY)}
    lines = await work_through_reloads(PAGE, tmp_path, configured, {"OLD_KEY": KEY}, len(LOGGED))
    exchanges = exchanges_of(lines)
    assert [(each["consumer"], each["status"], each.get("former_consumer")) for each in exchanges] == LOGGED
    keys = [each["consumer_key"] for each in exchanges]
    assert (keys[0], keys[1]) == (keys[2], keys[3])
    assert KEY not in str(lines)
