"""docs/clients/migration.md, worked through against `gateway serve`: each change of the file is a reload."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.documented_pages import PAGES, work_through
from tests.support.authority import make_authority
from tests.support.fenced_blocks import read_blocks
from tests.support.running import ACCOUNT_SID, ENVIRON, Spawned, digest, serving
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


def _exchanges(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "exchange"]


class Aftermath:
    """Waits until what a block sent is logged, and what it made of the file is in force."""

    def __init__(self, config: Path, gateway: Spawned, simulator: Simulator) -> None:
        self._config, self._gateway, self._simulator = config, gateway, simulator
        self._text, self._done = config.read_bytes(), 0

    async def __call__(self) -> None:
        sent = len(list(self._simulator.journal))
        await self._gateway.capture.until(lambda lines: len(_exchanges(lines)) >= sent, 30)
        if (text := self._config.read_bytes()) == self._text:
            return
        self._text, self._done = text, self._done + 1
        self._gateway.process.send_signal(signal.SIGHUP)
        capture = self._gateway.capture
        await capture.until(
            lambda lines: sum(line["event"] == "configuration reloaded" for line in lines) >= self._done, 30
        )
        failed = [line for line in capture.lines if line["event"].startswith("configuration reload ")]
        assert not failed


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
            await gateway.capture.until(lambda lines: len(_exchanges(lines)) >= len(SERVED))
    lines = _exchanges(gateway.capture.lines)
    assert [(line["consumer"], line["status"]) for line in lines if line.get("consumer")] == SERVED
    assert OLD_TOKEN not in str(gateway.capture.lines)
