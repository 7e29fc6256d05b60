"""A whole gateway for a test: in this process on real sockets, or as a process of its own."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import yaml

from gateway.app.configuration import make_configuration
from gateway.app.gateway import Gateway
from gateway.config.loading.resolve import load_resolved
from gateway.listener import drain
from gateway.observe.log.line_writer import LineWriter
from gateway.redis import redis_store
from gateway.redis.redis_store import RedisStore

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


def configuration(upstream: str, /, **settings: Any) -> dict[str, Any]:
    """A configuration with free ports; `settings` replace whole top-level sections, but add to `upstream`."""
    main = {
        "account_sid": {"env": "TWILIO_ACCOUNT_SID"},
        "keys": [{"sid": {"env": "TWILIO_API_KEY"}, "secret": {"env": "TWILIO_API_SECRET"}}],
    }
    return {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "drain_seconds": 5,
        "credentials": {"main": main},
        "consumers": {"app": consumer()},
        **settings,
        "upstream": {"connect_to": upstream, **settings.get("upstream", {})},
    }


class LogCapture:
    """The log of a gateway, read as it is written, through a pipe or a stream of a process."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._grown = asyncio.Condition()

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Collect lines until the stream ends. What is not JSON is kept as `{"event": text}`."""
        async for raw in stream:
            text = raw.decode().rstrip("\n")
            async with self._grown:
                self.lines.append(json.loads(text) if text.startswith("{") else {"event": text})
                self._grown.notify_all()

    async def until(self, met: Callable[[list[dict[str, Any]]], bool], seconds: float = 180) -> None:
        """Wait until the lines so far satisfy `met`. A starved machine took a minute to start a process."""
        async with asyncio.timeout(seconds), self._grown:
            await self._grown.wait_for(lambda: met(self.lines))


def _exchanges(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "exchange"]


def nobody_connects() -> AbstractContextManager[object]:
    """A listener that drains meanwhile waits for no handshake: 0.2 s less for each test that ends."""
    return patch.object(drain, "_HANDSHAKE_SECONDS", 0.0)


@dataclass
class Running:
    """A gateway in this process. `log()` gives the structured lines so far."""

    url: str
    admin_url: str
    gateway: Gateway
    capture: LogCapture = field(repr=False)

    @property
    def port(self) -> int:
        """The data port."""
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """Everything logged so far, oldest first."""
        return list(self.capture.lines)

    def exchanges(self) -> list[dict[str, Any]]:
        """The exchanges among it."""
        return _exchanges(self.capture.lines)

    async def exchange_logged(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` exchanges have ended, for those that end after their caller is gone."""
        await self.capture.until(lambda lines: len(_exchanges(lines)) >= count)
        return self.exchanges()


PATIENT_SECONDS = 600.0


@contextmanager
def _patience_with_redis() -> Iterator[None]:
    with (
        patch.dict(RedisStore.__init__.__kwdefaults__, answer_seconds=PATIENT_SECONDS),
        patch.object(redis_store, "PROBE_SECONDS", PATIENT_SECONDS),
    ):
        yield


@asynccontextmanager
async def running_gateway(
    upstream: str, /, environ: Mapping[str, str] = ENVIRON, **settings: Any
) -> AsyncIterator[Running]:
    """A gateway in this process, in front of `upstream` (http://host:port).

    It waits long for Redis, so that a busy machine changes nothing (else: `support.redis.lose_patience`).
    """
    with TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.yaml"
        log = {"format": "json"} | settings.pop("log", {})
        config.write_text(yaml.dump(configuration(upstream, log=log, **settings), Dumper=yaml.CSafeDumper))
        made = make_configuration(load_resolved(config, environ))
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    stream = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    capture = LogCapture()
    following = asyncio.create_task(capture.follow(stream))
    writer = LineWriter(writing)
    try:
        with _patience_with_redis():
            gateway = Gateway(made, writer)
            await gateway.start()
        try:
            yield Running(gateway.url, gateway.admin_url, gateway, capture)
        finally:
            with nobody_connects():
                await gateway.drain()
            await gateway.stop()
    finally:
        writer.close()
        os.close(writing)
        await following
        pipe.close()


@dataclass
class Spawned:
    """A `gateway serve` process, its standard output and error captured."""

    url: str
    admin_url: str
    process: asyncio.subprocess.Process
    capture: LogCapture = field(repr=False)


@asynccontextmanager
async def spawned_gateway(
    folder: Path, upstream: str, /, environ: Mapping[str, str] = ENVIRON, **settings: Any
) -> AsyncIterator[Spawned]:
    """`gateway serve` as a process of its own; its configuration is `folder/gateway.yaml`."""
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream, log={"format": "json"}, **settings)))
    async with serving(config, environ) as spawned:
        yield spawned


@asynccontextmanager
async def serving(config: Path, environ: Mapping[str, str], *options: str) -> AsyncIterator[Spawned]:
    """`gateway serve` with a configuration that is there, and further options; it must log JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(config), *options,
        env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    capture = LogCapture()
    following = asyncio.create_task(capture.follow(process.stdout))
    try:
        await capture.until(lambda lines: any("url" in line or line.keys() == {"event"} for line in lines))
        started = next((line for line in capture.lines if "url" in line), None)
        if started is None:  # what it said was no line of the log
            raise RuntimeError(f"the gateway did not start: {capture.lines}")
        yield Spawned(started["url"], started["admin"], process, capture)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await following
