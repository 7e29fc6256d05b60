"""Pages whose blocks change the configuration of a running gateway: each change is a reload."""

import signal
from pathlib import Path
from typing import Any

from tests.support.running import Spawned
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
