"""docs/clients/migration.md, worked through against `gateway serve`: each change of the file is a reload."""

from pathlib import Path

import pytest

from tests.clients.documented_pages import PAGES, work_through
from tests.clients.reloading_pages import Aftermath, exchanges_of
from tests.support.authority import make_authority
from tests.support.fenced_blocks import read_blocks
from tests.support.running import ACCOUNT_SID, ENVIRON, digest, serving
from twilio_simulator import Simulator

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
async def test_the_migration_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_authority(tmp_path / "pki")
    config = tmp_path / "gateway.yaml"
    config.write_text(next(b.text for b in read_blocks(PAGE.read_text("utf-8")) if b.name == config.name))
    async with Simulator() as simulator:
        environ = ENVIRON | {
            "OLD_TOKEN_SHA256": digest(OLD_TOKEN),
            "GATEWAY__LISTEN": "127.0.0.1:0",
            "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
            "GATEWAY__UPSTREAM__CONNECT_TO": simulator.url,
            "GATEWAY__LOG__FORMAT": "json",
        }
        old = {"OLD_ACCOUNT_SID": ACCOUNT_SID, "OLD_AUTH_TOKEN": OLD_TOKEN}
        async with serving(config, environ) as gateway:
            addresses = {
                f"gateway:{port}": url.removeprefix("http://")
                for port, url in ((8080, gateway.url), (9090, gateway.admin_url))
            }
            await work_through(
                PAGE,
                tmp_path,
                addresses=addresses,
                environ=environ | old,
                after_each=Aftermath(config, gateway, simulator),
            )
            await gateway.capture.until(lambda lines: len(exchanges_of(lines)) >= len(SERVED))
    lines = exchanges_of(gateway.capture.lines)
    assert [(line["consumer"], line["status"]) for line in lines if line.get("consumer")] == SERVED
    assert OLD_TOKEN not in str(gateway.capture.lines)
