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

from tests.support.attempts import until
from tests.support.caller import MESSAGES, ask, request
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


STARTING: dict[str, Callable[[Path], dict[str, Any]]] = {
    "include": lambda path: {"include": str(path)},
    "stops": lambda path: {"stop_file": str(path)},
}
"""Read at the start only, or as the configuration itself is."""
AUDIT_KEY = "k" * 32


async def opened_for_reading(fifo: Path) -> int:
    """Wait until another process waits for a writer of `fifo`; a writer that never writes."""
    async with asyncio.timeout(120):
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
    async with asyncio.timeout(120):
        return await process.wait()


async def start(path: Path) -> asyncio.subprocess.Process:
    """`gateway serve`, of which nothing is read."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(path),
        env={**os.environ, **ENVIRON}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["file", *SETTINGS, *STARTING])
async def test_c7_stopped_while_the_first_configuration_blocks(tmp_path: Path, kind: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    path = fifo
    if kind != "file":
        path = tmp_path / "gateway.yaml"
        path.write_text(
            yaml.safe_dump(configuration("http://127.0.0.1:1", **(SETTINGS | STARTING)[kind](fifo)))
        )
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
        assert await stopped_cleanly(gateway)
        os.close(writer)


@pytest.mark.parametrize("kind", ["audit", "key_usage"])
async def test_c7_stopped_while_what_it_writes_blocks(
    tmp_path: Path, upstream: RawUpstream, kind: str
) -> None:
    """Nobody reads the FIFO that took the place of the file; the data port and health answer meanwhile."""
    file = tmp_path / "written"
    settings: dict[str, Any] = {"key_usage_file": str(file)}
    if kind == "audit":
        settings = {"audit": {"file": str(file), "key": {"env": "AUDIT_KEY"}}}
    environ = {**ENVIRON, "AUDIT_KEY": AUDIT_KEY}
    async with spawned_gateway(tmp_path, upstream.url, environ=environ, **settings) as gateway:
        if kind == "audit":
            file.unlink()
            os.mkfifo(file)
        else:
            await until(file.exists)  # it was written once, and nothing is being written
            os.mkfifo(tmp_path / f".{file.name}.new")
        gateway.process.send_signal(signal.SIGHUP)  # a failed reload is on record, too
        assert (await ask(int(gateway.url.rpartition(":")[2]), request(f"GET {MESSAGES}"))).status == 200
        admin = int(gateway.admin_url.rpartition(":")[2])
        health = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert (await ask(admin, health)).status == 200
        assert await exit_code(gateway.process) == 0


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


async def stopped_cleanly(gateway: Spawned) -> bool:
    """Whether it drained and said so; what it wrote at last may be read after its end."""
    await gateway.capture.until(lambda lines: any(line["event"] == "stopped" for line in lines))
    events = [line["event"] for line in gateway.capture.lines]
    return events[-2:] == ["draining", "stopped"]
