"""A whole gateway for a test: in this process on real sockets, or as a process of its own."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from gateway.app import Gateway
from gateway.config.resolve import load_resolved
from gateway.observe.lines import LineWriter
from gateway.observe.log import open_log

ACCOUNT_SID = "AC00112233445566778899aabbccddeeff"
KEY = "gw_test-key-of-the-consumer-called-app-0123"
"""Key of the consumer `app`, which may do everything unless a test says otherwise."""
ENVIRON = {
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_API_KEY": "SK00112233445566778899aabbccddeeff",
    "TWILIO_API_SECRET": "simulator-only-api-secret",
}


def digest(key: str) -> str:
    """The line of the configuration that stands for a consumer key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def consumer(key: str = KEY, **settings: Any) -> dict[str, Any]:
    """A consumer of the credential `main`."""
    return {"keys": [digest(key)], "credential": "main", "allow": ["everything"], **settings}


def configuration(upstream: str, **settings: Any) -> dict[str, Any]:
    """A configuration with free ports; `settings` replace whole top-level sections."""
    main = {
        "account_sid": {"env": "TWILIO_ACCOUNT_SID"},
        "keys": [{"sid": {"env": "TWILIO_API_KEY"}, "secret": {"env": "TWILIO_API_SECRET"}}],
    }
    return {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "drain_seconds": 5,
        "upstream": {"connect_to": upstream},
        "credentials": {"main": main},
        "consumers": {"app": consumer()},
        **settings,
    }


@dataclass
class Running:
    """A gateway under test. `log()` gives the structured lines so far."""

    url: str
    admin_url: str
    gateway: Gateway
    _log_file: Path
    _writer: LineWriter = field(repr=False)

    @property
    def port(self) -> int:
        """The data port."""
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """Everything logged so far, oldest first."""
        return [json.loads(line) for line in self._log_file.read_text().splitlines()]

    def exchanges(self) -> list[dict[str, Any]]:
        """The exchanges among it."""
        return [line for line in self.log() if line["event"] == "exchange"]

    async def exchange_logged(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` exchanges have ended, for those that end after their caller is gone."""
        async with asyncio.timeout(10):
            while len(found := self.exchanges()) < count:
                await asyncio.sleep(0.005)
        return found


@asynccontextmanager
async def running_gateway(
    upstream: str, environ: Mapping[str, str] = ENVIRON, **settings: Any
) -> AsyncIterator[Running]:
    """A gateway in this process, in front of `upstream` (http://host:port)."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.yaml"
        config.write_text(yaml.safe_dump(configuration(upstream, **settings)))
        log_file = Path(folder) / "gateway.log"
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        writer = LineWriter(descriptor)
        gateway = Gateway(load_resolved(config, environ), open_log(writer, "info", "json"))
        try:
            await gateway.start()
            yield Running(gateway.url, gateway.admin_url, gateway, log_file, writer)
            await gateway.drain()
            await gateway.stop()
        finally:
            writer.close()
            os.close(descriptor)


@dataclass
class Spawned:
    """A `gateway serve` process."""

    url: str
    admin_url: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def spawned_gateway(
    folder: Path, upstream: str, environ: Mapping[str, str] = ENVIRON, **settings: Any
) -> AsyncIterator[Spawned]:
    """`gateway serve` as a process of its own; its standard output goes to `folder/gateway.log`."""
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream, log={"format": "json"}, **settings)))
    log_file = folder / "gateway.log"
    with log_file.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(config),
            env={**os.environ, **environ}, stdout=log, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        line = await _first_line(log_file, process)
        yield Spawned(line["url"], line["admin"], process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _first_line(log_file: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while b"\n" not in log_file.read_bytes():
            if process.returncode is not None:
                raise RuntimeError(f"the gateway ended with {process.returncode}")
            await asyncio.sleep(0.01)
    text = log_file.read_text().splitlines()[0]
    if not text.startswith("{"):
        raise RuntimeError(f"the gateway did not start: {log_file.read_text()}")
    found: dict[str, Any] = json.loads(text)
    return found
