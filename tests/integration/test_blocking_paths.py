"""C7: a path of the configuration that blocks (a FIFO without a writer) does not hold up the exit."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.running import ENVIRON, Spawned, configuration, spawned_gateway
from tests.support.upstream import RawUpstream


def _secret(path: Path) -> dict[str, Any]:
    key = {"sid": {"env": "TWILIO_API_KEY"}, "secret": {"file": str(path)}}
    return {"credentials": {"main": {"account_sid": {"env": "TWILIO_ACCOUNT_SID"}, "keys": [key]}}}


def _issuer(**files: str) -> dict[str, Any]:
    return {"jwt": [{"name": "a", "issuer": "https://a.test", "audience": "gateway", **files}]}


SETTINGS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "secret": _secret,
    "certificate": lambda path: {"tls": {"cert_file": str(path), "key_file": str(path)}},
    "authorities": lambda path: {"upstream": {"ca_file": str(path)}},
    "issuer_keys": lambda path: _issuer(jwks_file=str(path)),
    "issuer_token": lambda path: _issuer(jwks_url="http://127.0.0.1:1/", token_file=str(path)),
}


async def opened_for_reading(fifo: Path) -> int:
    """Wait until another process waits for a writer of `fifo`; a writer that never writes."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            await asyncio.sleep(0.01)


async def exit_code(process: asyncio.subprocess.Process) -> int:
    """SIGTERM, and what the process ends with."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        return await process.wait()


async def start(path: Path) -> asyncio.subprocess.Process:
    """`gateway serve`, of which nothing is read."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(path),
        env={**os.environ, **ENVIRON}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["file", *SETTINGS])
async def test_c7_stopped_while_the_first_configuration_blocks(tmp_path: Path, kind: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    path = fifo
    if kind != "file":
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:1", **SETTINGS[kind](fifo))))
    process = await start(path)
    writer = await opened_for_reading(fifo)
    assert await exit_code(process) == 0
    os.close(writer)


@pytest.mark.parametrize("kind", ["file", *SETTINGS])
async def test_c7_stopped_while_a_reload_blocks(tmp_path: Path, upstream: RawUpstream, kind: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        replace(tmp_path / "gateway.yaml", upstream.url, kind, fifo)
        gateway.process.send_signal(signal.SIGHUP)
        writer = await opened_for_reading(fifo)
        assert await exit_code(gateway.process) == 0
        assert stopped_cleanly(gateway)
        os.close(writer)


def replace(path: Path, upstream: str, kind: str, fifo: Path) -> None:
    """Put a configuration that blocks in the place of one that does not."""
    if kind == "file":
        fifo.rename(path)
        fifo.symlink_to(path)
    else:
        fresh = path.with_suffix(".new")
        fresh.write_text(
            yaml.safe_dump(configuration(upstream, log={"format": "json"}, **SETTINGS[kind](fifo)))
        )
        fresh.rename(path)


def stopped_cleanly(gateway: Spawned) -> bool:
    """Whether it drained and said so."""
    events = [line["event"] for line in gateway.capture.lines]
    return events[-2:] == ["draining", "stopped"]
