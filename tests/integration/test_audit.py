"""The audit trail of a real process: what is on record, what is refused while it cannot be written."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway.__main__ import main
from tests.integration.test_admin_access import METRICS, PAGE, REMOTE, TOKENS
from tests.support.redis import RedisServer, redis_server
from tests.support.running import Spawned, configuration, spawned_gateway
from tests.support.upstream import RawUpstream

KEY = "an-audit-key-of-32-characters-or-more"
ENVIRON = TOKENS | {"AUDIT_KEY": KEY}
FILE = {"file": "audit.log", "key": {"env": "AUDIT_KEY"}}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


def events(folder: Path) -> list[str]:
    return [line["event"] for line in lines(folder)]


async def log_in(gateway: Spawned, token: str = PAGE) -> int:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        url = f"{gateway.admin_url}/login"
        async with session.post(url, data={"token": token}, allow_redirects=False) as answer:
            if answer.status == 303:
                async with session.post(f"{gateway.admin_url}/logout", allow_redirects=False) as left:
                    assert left.status == 303
            return answer.status


async def read(gateway: Spawned, path: str, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(gateway.admin_url + path) as answer,
    ):
        return await answer.text()


async def reload(gateway: Spawned, event: str = "configuration reloaded") -> None:
    before = [line["event"] for line in gateway.capture.lines].count(event)
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.capture.until(lambda all_: [line["event"] for line in all_].count(event) > before)


async def stop(gateway: Spawned) -> None:
    gateway.process.terminate()
    assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


def verify(folder: Path, *arguments: str) -> int:
    key = folder / "audit.key"
    key.write_text(KEY)
    return main(["audit", "verify", str(folder / "audit.log"), "--key-file", str(key), *arguments])


def write_log(folder: Path, gateway: Spawned) -> str:
    """The ordinary log as a file."""
    path = folder / "gateway.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in gateway.capture.lines))
    return str(path)


async def test_what_is_on_record(
    upstream: RawUpstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with spawned_gateway(tmp_path, upstream.url, ENVIRON, admin=REMOTE, audit=FILE) as gateway:
        assert await log_in(gateway, "a-wrong-token-0123456789") == 401
        assert await log_in(gateway) == 303
        config = yaml.safe_load((tmp_path / "gateway.yaml").read_text())
        consumer = next(iter(config["consumers"]))
        config["consumers"][consumer]["keys"].append("sha256:" + "7e" * 32)
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(config))
        await reload(gateway)
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(config | {"lisen": 1}))
        await reload(gateway, "configuration reload failed")
        await stop(gateway)
    assert events(tmp_path) == [
        "started",
        "admin token refused",
        "login",
        "logout",
        "configuration reloaded",
        "key changed",
        "configuration reload failed",
        "stopping",
        "stopped",
    ]
    found = lines(tmp_path)
    assert found[1]["address"] == "127.0.0.1"
    assert found[5]["change"] == f"consumers.{consumer}.keys: sha256:7e7e7e7e… added"
    assert "lisen" in found[6]["problems"][0]
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "audit.log").read_text()
    assert not [secret for secret in (PAGE, KEY, *ENVIRON.values()) if secret in text]
    assert verify(tmp_path, "--heads", write_log(tmp_path, gateway)) == 0
    assert capsys.readouterr().out == "9 lines of 1 chains: no faults\n"
    cut = (tmp_path / "audit.log").read_bytes().splitlines(keepends=True)[:-2]
    (tmp_path / "audit.log").write_bytes(b"".join(cut))
    assert verify(tmp_path, "--heads", write_log(tmp_path, gateway)) == 1
    assert "cut off: a head names line 8, and the last is 6" in capsys.readouterr().out


async def test_nothing_is_managed_off_the_record(upstream: RawUpstream, tmp_path: Path) -> None:
    """Its folder goes, as a mount may: logins and reloads are refused, traffic and stopping are not."""
    folder = tmp_path / "trail"
    folder.mkdir()
    audit = FILE | {"file": "trail/audit.log"}
    async with spawned_gateway(tmp_path, upstream.url, ENVIRON, admin=REMOTE, audit=audit) as gateway:
        folder.rename(tmp_path / "gone")
        assert await log_in(gateway) == 503
        path = tmp_path / "gateway.yaml"
        config = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(config | {"retry": {"max_attempts": 2}}))
        await reload(gateway, "configuration reload failed")
        failed = next(
            line for line in gateway.capture.lines if line["event"] == "configuration reload failed"
        )
        assert (
            "not applied: the audit trail cannot be written (No such file or directory)"
            in failed["problems"][0]
        )
        assert "gateway_audit_writable 0.0" in await read(gateway, "/metrics", METRICS)
        assert "audit trail cannot be written" in await read(gateway, "/api/state", PAGE)
        (tmp_path / "gone").rename(folder)
        assert await log_in(gateway) == 303
        await reload(gateway)
        await stop(gateway)
    assert [line["event"] for line in lines(folder)] == [
        "started", "login", "logout", "configuration reloaded", "stopping", "stopped",
    ]  # fmt: skip
    assert "audit trail can be written again" in [line["event"] for line in gateway.capture.lines]


async def test_a_full_disk_at_the_start_is_worth_another_try(upstream: RawUpstream, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    audit = FILE | {"file": "/dev/full"}
    config.write_text(yaml.safe_dump(configuration(upstream.url, audit=audit)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(config),
        env={**os.environ, **ENVIRON}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 75
    assert b"audit: the audit trail cannot be written (No space left on device)" in said
    assert b"Start it again when the audit trail can be written." in said


async def test_on_standard_output(upstream: RawUpstream, tmp_path: Path) -> None:
    audit = {"stream": "audit", "key": {"env": "AUDIT_KEY"}}
    async with spawned_gateway(tmp_path, upstream.url, ENVIRON, admin=REMOTE, audit=audit) as gateway:
        assert await log_in(gateway) == 303
        await stop(gateway)
    write_log(tmp_path, gateway)
    (tmp_path / "gateway.log").rename(tmp_path / "audit.log")
    assert verify(tmp_path) == 0
    audited = [line["event"] for line in gateway.capture.lines if line.get("stream") == "audit"]
    assert audited == ["started", "login", "logout", "stopping", "stopped"]


async def test_heads_are_in_the_store_as_well(
    upstream: RawUpstream,
    tmp_path: Path,
    redis: RedisServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with spawned_gateway(
        tmp_path, upstream.url, ENVIRON, admin=REMOTE, audit=FILE, store=redis.url
    ) as gateway:
        await log_in(gateway)
        await stop(gateway)
    whole = (tmp_path / "audit.log").read_bytes()
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    store = ("--store", "--config", str(tmp_path / "gateway.yaml"))
    assert verify(tmp_path, *store) == 0
    (tmp_path / "audit.log").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert verify(tmp_path, *store) == 1
    assert "cut off: a head names line 4, and the last is 1" in capsys.readouterr().out


def test_a_short_key_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", audit=FILE)))
    for name, value in (ENVIRON | {"AUDIT_KEY": "short"}).items():
        monkeypatch.setenv(name, value)
    assert main(["check", "--config", str(config)]) == 2
    assert "audit.key: the value of env:AUDIT_KEY has fewer than 32 characters" in capsys.readouterr().err
