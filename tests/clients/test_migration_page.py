"""docs/clients/migration.md, worked through against `gateway serve`: each change of the file is a reload."""

from pathlib import Path

import pytest

from tests.clients.documented_pages import PAGES
from tests.clients.reloading_pages import exchanges_of, work_through_reloads
from tests.support.authority import make_authority
from tests.support.running import ACCOUNT_SID, digest

PAGE = PAGES / "migration.md"
OLD_TOKEN = "0123456789abcdef0123456789abcdef"
SERVED = [
    ("legacy", 201),  # unmodified, by the proxy variable
    ("legacy", 201),  # a call that report mode lets through
    ("billing", 201),
    ("billing", 403),  # the same call, under its own key
    ("legacy", 201),  # rolled back
    ("billing", 201),  # without a CA
]


@pytest.mark.slow
async def test_the_migration_guide(tmp_path: Path) -> None:
    make_authority(tmp_path / "pki")
    configured = {"OLD_TOKEN_SHA256": digest(OLD_TOKEN)}
    given = {"OLD_ACCOUNT_SID": ACCOUNT_SID, "OLD_AUTH_TOKEN": OLD_TOKEN}
    lines = await work_through_reloads(PAGE, tmp_path, configured, given, len(SERVED))
    served = [(line["consumer"], line["status"]) for line in exchanges_of(lines) if line.get("consumer")]
    assert served == SERVED
    assert OLD_TOKEN not in str(lines)
