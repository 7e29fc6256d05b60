"""Pages whose blocks change the configuration of a running gateway: each change is a reload."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients.documented_pages import work_through
from tests.support.fenced_blocks import read_blocks
from tests.support.running import ENVIRON, Spawned, serving
from twilio_simulator import Simulator


def exchanges_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of exchanges."""
    return [line for line in lines if line["event"] == "exchange"]


class Aftermath:
    """Waits until what a block sent is logged, and what it made of the file is in force."""

    def __init__(self, config: Path, gateway: Spawned, simulator: Simulator) -> None:
        self._config, self._gateway, self._simulator = config, gateway, simulator
        self._text, self._done = config.read_bytes(), 0

    async def __call__(self) -> None:
        """Called after each block."""
        sent = len(list(self._simulator.journal))
        await self._gateway.capture.until(lambda lines: len(exchanges_of(lines)) >= sent, 30)
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


async def work_through_reloads(
    page: Path, folder: Path, configured: Mapping[str, str], given: Mapping[str, str], count: int
) -> list[dict[str, Any]]:
    """Work through a page whose block `gateway.yaml` is the configuration at the start.

    Returns the log, once it has `count` exchanges. `configured` are variables that the configuration needs,
    `given` those that the blocks need as well.
    """
    config = _write_configuration(page, folder)
    async with Simulator() as simulator:
        environ = {
            **ENVIRON,
            **configured,
            "GATEWAY__LISTEN": "127.0.0.1:0",
            "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
            "GATEWAY__UPSTREAM__CONNECT_TO": simulator.url,
            "GATEWAY__LOG__FORMAT": "json",
        }
        async with serving(config, environ) as gateway:
            addresses = {
                f"gateway:{port}": url.removeprefix("http://")
                for port, url in ((8080, gateway.url), (9090, gateway.admin_url))
            }
            await work_through(
                page,
                folder,
                addresses=addresses,
                environ={**environ, **given},
                after_each=Aftermath(config, gateway, simulator),
            )
            await gateway.capture.until(lambda lines: len(exchanges_of(lines)) >= count, 30)
            return gateway.capture.lines


def _write_configuration(page: Path, folder: Path) -> Path:
    config = folder / "gateway.yaml"
    blocks = read_blocks(page.read_text("utf-8"))
    config.write_text(next(block.text for block in blocks if block.name == config.name))
    return config
