"""A gateway in a process of its own that can be killed and started again, for `at_most_once.py`."""

import asyncio
import base64
import os
import socket
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.running import ENVIRON, configuration

SETTINGS: dict[str, Any] = {
    "repeat_guard": {"store": "shared", "seconds": 3600},  # clients come back at the end of a run
    "on_store_failure": "refuse",
    "store_key": {"env": "STORE_KEY"},
    "drain_seconds": 30,
    "retry": {"initial_backoff_seconds": 0.05},
    "concurrency": {"initial": 200, "floor": 100},
    "upstream": {"deadline_seconds": 3, "deadline_seconds_max": 25},
    "log": {"level": "error"},
}


class KillableReplica:
    """A gateway that can be killed and started again at the same port."""

    def __init__(self, folder: Path, number: int, upstream: str, store: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        settings = SETTINGS | {"store": store, "listen": f"127.0.0.1:{self.port}"}
        made = configuration(upstream, **settings)
        made["credentials"]["main"]["repeat_guard"] = {"ask": True}
        self._config = folder / f"{number}.yaml"
        self._config.write_text(yaml.safe_dump(made))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it takes connections."""
        environ = {**os.environ, **ENVIRON, "STORE_KEY": base64.b64encode(b"k" * 32).decode()}
        command = (sys.executable, "-m", "gateway", "serve", "--config", str(self._config))
        self._process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.returncode is None, "the gateway did not start"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        """SIGKILL: what it had in memory is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()
