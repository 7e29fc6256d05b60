"""SIGHUP to a process as it runs in production: what changes, what stays, what is said."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.support.caller import AUTHORIZATION, MESSAGES, RawAnswer, ask, raw_caller, request
from tests.support.notify import service_manager
from tests.support.running import (
    ENVIRON,
    KEY,
    Spawned,
    configuration,
    consumer,
    digest,
    spawned_gateway,
)
from tests.support.upstream import RawUpstream, answer, gated

OTHER_KEY = "gw_test-key-of-the-consumer-called-other-456"
OTHER = "Bearer " + OTHER_KEY


def port_of(url: str) -> int:
    """The port of http://host:port."""
    return int(url.rpartition(":")[2])


def events(lines: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The lines of these events."""
    return [line for line in lines if line["event"] in names]


class Process:
    """A gateway process whose configuration is rewritten."""

    def __init__(self, folder: Path, upstream: str, gateway: Spawned) -> None:
        self.gateway = gateway
        self.path = folder / "gateway.yaml"
        self._upstream = upstream
        self._told = 0

    async def hang_up(self) -> dict[str, Any]:
        """SIGHUP; the line that says what came of it."""
        self.gateway.process.send_signal(signal.SIGHUP)
        return await self.told()

    async def told(self) -> dict[str, Any]:
        """The next line about a reload. (The watch may have been quicker than a signal, which then changes
        nothing.)"""
        names = ("configuration reloaded", "configuration reload failed", "configuration reload refused")
        self._told += 1
        met: Callable[[list[dict[str, Any]]], bool] = lambda lines: len(events(lines, *names)) >= self._told  # noqa: E731
        await self.gateway.capture.until(met)
        return events(self.gateway.capture.lines, *names)[self._told - 1]

    def write(self, **settings: Any) -> None:
        """Replace the configuration, in one step."""
        text = yaml.safe_dump(configuration(self._upstream, log={"format": "json"}, **settings))
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    async def get(self, auth: str | None = None) -> RawAnswer:
        """One GET, by `app` unless `auth` says otherwise."""
        data = request(f"GET {MESSAGES}", auth=auth or AUTHORIZATION)
        return await ask(port_of(self.gateway.url), data)

    async def admin(self, path: str) -> RawAnswer:
        """One GET at the admin port."""
        data = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        return await ask(port_of(self.gateway.admin_url), data)


async def test_a_consumer_comes_and_one_goes(tmp_path: Path, upstream: RawUpstream) -> None:
    """What is in flight for a consumer that is removed ends well; its next request is refused."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        process = Process(tmp_path, upstream.url, gateway)
        assert (await process.get(OTHER)).slug == "unknown_consumer"
        async with raw_caller(port_of(gateway.url)) as caller:
            await caller.send(request(f"GET {MESSAGES}"))
            await upstream.arrived()
            process.write(consumers={"other": consumer(OTHER_KEY)})
            told = await process.hang_up()
            assert told["changes"] == ["consumers.app: removed", "consumers.other: added"]
            assert told["level"] == "info"
            shown = json.loads((await process.admin("/api/changes")).body)["last"]
            assert (shown["changes"], shown["config"]) == (told["changes"], told["config"])
            assert shown["reason"] == told["reason"]
            assert (await process.get(OTHER)).status == 200
            gate.set()
            assert (await caller.answer()).status == 200
            await caller.send(request(f"GET {MESSAGES}"))
            refused = await caller.answer()
            assert (refused.status, refused.slug) == (401, "unknown_consumer")


async def test_what_is_wrong_is_said_and_changes_nothing(tmp_path: Path, upstream: RawUpstream) -> None:
    """In the log, at /readyz and in a metric; and it is over when the file is mended."""
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        process = Process(tmp_path, upstream.url, gateway)
        good = process.path.read_text()
        process.path.write_text(good + "concurency: {}\n")
        told = await process.hang_up()
        line = len(good.splitlines()) + 1
        said = f"{process.path}:{line}: concurency: unknown name; did you mean 'concurrency'?"
        assert (told["level"], told["problems"]) == ("error", [said])
        ready = await process.admin("/readyz")
        assert ready.status == 200, "what is in force serves on"
        assert json.loads(ready.body)["state"] == "degraded"
        assert json.loads(ready.body)["why"] == [f"reload failed: {said}"]
        metrics = (await process.admin("/metrics")).body
        assert b'gateway_config_reloads_total{result="failure"} 1.0' in metrics
        assert b"gateway_config_last_reload_success 0.0" in metrics
        assert (await process.get()).status == 200
        process.path.write_text(good)
        assert (await process.hang_up())["event"] == "configuration reloaded"
        assert json.loads((await process.admin("/readyz")).body)["why"] == []
        while b"gateway_config_last_reload_success 1.0" not in metrics:  # a page is kept for a second
            metrics = (await process.admin("/metrics")).body
        assert b'gateway_config_reloads_total{result="success"} 1.0' in metrics


async def test_nothing_new_changes_nothing(tmp_path: Path, upstream: RawUpstream) -> None:
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.capture.until(lambda lines: bool(events(lines, "configuration unchanged")))
        [told] = events(gateway.capture.lines, "configuration unchanged")
        assert told["reason"] == "SIGHUP"
        assert told["config"] == gateway.capture.lines[0]["config"]


async def test_what_must_wait_for_a_restart_is_said(tmp_path: Path, upstream: RawUpstream) -> None:
    """The rest takes effect all the same."""
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        process = Process(tmp_path, upstream.url, gateway)
        process.write(
            listen="127.0.0.1:1", store="redis://127.0.0.1:1/0", consumers={"other": consumer(OTHER_KEY)}
        )
        told = await process.hang_up()
        assert told["level"] == "warning"
        assert told["after_restart"] == ["listen", "store"]
        assert (await process.get(OTHER)).status == 200
        ready = json.loads((await process.admin("/readyz")).body)
        assert (ready["state"], ready["after_restart"]) == ("serving", ["listen", "store"])


async def test_a_secret_file_is_read_again(tmp_path: Path, upstream: RawUpstream) -> None:
    """Its path is said, what it holds is not; the configuration itself has not changed."""
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text("the-old-secret\n")
    key.write_text(digest(KEY))
    main = {
        "account_sid": {"env": "TWILIO_ACCOUNT_SID"},
        "keys": [{"sid": {"env": "TWILIO_API_KEY"}, "secret": {"file": "secret"}}],
    }
    consumers = {"app": {**consumer(), "keys": [{"file": "key"}]}}
    async with spawned_gateway(
        tmp_path, upstream.url, credentials={"main": main}, consumers=consumers
    ) as gateway:
        process = Process(tmp_path, upstream.url, gateway)
        assert (await process.get()).status == 200
        secret.write_text("the-new-secret\n")
        key.write_text(digest(OTHER_KEY))
        told = await process.hang_up()
        assert told["changes"] == [
            "credentials.main.keys: SK0011…eeff has another secret",
            f"consumers.app.keys: {digest(KEY)[:15]}… removed",
            f"consumers.app.keys: {digest(OTHER_KEY)[:15]}… added",
            f"{secret}: another content",
            f"{key}: another content",
        ]
        assert (await process.get()).status == 401
        assert (await process.get("Bearer " + OTHER_KEY)).status == 200
        sent = [request.head for request in upstream.received]
        assert sent[0] != sent[1], "another Authorization"
        secret.unlink()
        told = await process.hang_up()
        assert told["problems"] == [
            f"{process.path}:{_line(process.path, 'file: secret')}: credentials.main.keys.0.secret: "
            f"the file {secret} cannot be read (No such file or directory); mount it, or correct the path"
        ]
        assert (await process.get("Bearer " + OTHER_KEY)).status == 200
    assert "new-secret" not in json.dumps(gateway.capture.lines)


def _line(path: Path, text: str) -> int:
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line) - 1


async def test_no_reload_while_draining(tmp_path: Path, upstream: RawUpstream) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    async with (
        spawned_gateway(tmp_path, upstream.url) as gateway,
        raw_caller(port_of(gateway.url)) as caller,
    ):
        process = Process(tmp_path, upstream.url, gateway)
        await caller.send(request(f"GET {MESSAGES}"))
        await upstream.arrived()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.capture.until(lambda lines: bool(events(lines, "draining")))
        process.write(consumers={"other": consumer(OTHER_KEY)})
        told = await process.hang_up()
        assert told["event"] == "configuration reload refused"
        assert told["problems"] == [f"{process.path}: nothing is reloaded: the gateway is draining"]
        gate.set()
        assert (await caller.answer()).status == 200
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


async def test_the_service_manager_is_told(tmp_path: Path, upstream: RawUpstream) -> None:
    """Type=notify: reloading, and ready again, whether or not it was good."""
    with service_manager(str(tmp_path / "notify")) as manager:
        environ = {**ENVIRON, "NOTIFY_SOCKET": manager.name}
        async with spawned_gateway(tmp_path, upstream.url, environ) as gateway:
            process = Process(tmp_path, upstream.url, gateway)
            await manager.told_of("READY")
            process.path.write_text("listen: 5")
            gateway.process.send_signal(signal.SIGHUP)
            await manager.told_of("RELOADING")
            assert "in force; not reloaded: " in (await manager.told_of("READY"))["STATUS"]
