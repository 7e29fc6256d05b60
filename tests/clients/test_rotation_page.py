"""docs/rotating-keys.md, worked through against `gateway serve`."""

from pathlib import Path

import pytest

from tests.clients.documented_pages import PAGES, work_through
from tests.clients.reloading_pages import Aftermath, exchanges_of
from tests.support.fenced_blocks import read_blocks
from tests.support.running import ENVIRON, KEY, digest, serving
from twilio_simulator import Simulator

PAGE = PAGES.parent / "rotating-keys.md"
LOGGED = [("billing", 201, None), ("billing", 201, None), ("", 401, "billing"), ("billing", 201, None)]


@pytest.mark.slow
async def test_a_key_is_rotated_as_the_page_says(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(next(b.text for b in read_blocks(PAGE.read_text("utf-8")) if b.name == config.name))
    async with Simulator() as simulator:
        environ = ENVIRON | {
            "OLD_KEY_SHA256": digest(KEY),
            "GATEWAY__LISTEN": "127.0.0.1:0",
            "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
            "GATEWAY__UPSTREAM__CONNECT_TO": simulator.url,
            "GATEWAY__LOG__FORMAT": "json",
        }
        async with serving(config, environ) as gateway:
            await work_through(
                PAGE,
                tmp_path,
                addresses={
                    f"gateway:{port}": url.removeprefix("http://")
                    for port, url in ((8080, gateway.url), (9090, gateway.admin_url))
                },
                environ=environ | {"OLD_KEY": KEY},
                after_each=Aftermath(config, gateway, simulator),
            )
            await gateway.capture.until(lambda lines: len(exchanges_of(lines)) >= len(LOGGED), 30)
    lines = exchanges_of(gateway.capture.lines)
    assert [(line["consumer"], line["status"], line.get("former_consumer")) for line in lines] == LOGGED
    keys = [line["consumer_key"] for line in lines]
    assert (keys[0], keys[1]) == (keys[2], keys[3])
    assert KEY not in str(gateway.capture.lines)
