"""Secrets of a store over time: kept while it is away, replaced when they change, asked for regularly."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.config.problems import ConfigError
from gateway.secret_stores.secret_cache import SecretCache
from tests.support.remote_secrets import (
    Clock,
    SecretEvents,
    complaint_of,
    load,
    secret_of,
    write_configuration,
)
from tests.support.running import ENVIRON
from tests.support.vault import STATIC_TOKEN, VaultPeer, vault_peer

REFERENCE = {"vault": "twilio/main#api_secret"}
NAME = "vault:twilio/main#api_secret"
FIRST, SECOND = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa", "c4nary0f16bbbbbbbbbbbbbbbbbbbbbbb"


@pytest.fixture
async def vault() -> AsyncIterator[VaultPeer]:
    """Has the first secret."""
    async with vault_peer() as peer:
        peer.put("twilio/main", api_secret=FIRST)
        yield peer


@pytest.fixture
def path(vault: VaultPeer, tmp_path: Path) -> Path:
    """A file that refers to it."""
    return write(tmp_path, vault)


@pytest.fixture
def clock() -> Clock:
    """Of `remote`."""
    return Clock()


@pytest.fixture
def events() -> SecretEvents:
    """Of `remote`."""
    return SecretEvents()


@pytest.fixture
def remote(clock: Clock, events: SecretEvents) -> Iterator[SecretCache]:
    """Started, with a background that never comes to its turn."""
    remote = SecretCache(clock)
    remote.start(lambda: None, events)
    yield remote
    remote.close()


def write(folder: Path, vault: VaultPeer, address: str = "", **settings: float) -> Path:
    """A configuration whose key is in `vault`."""
    (folder / "token").write_text(STATIC_TOKEN)
    section = {"address": address or vault.url, "token": {"file": "token"}}
    return write_configuration(folder, REFERENCE, vault=section, **settings)


def edit(path: Path, old: str, new: str) -> None:
    """Change what stands in the file once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


async def refresh(remote: SecretCache) -> bool:
    """Off the loop, where the store is."""
    return await asyncio.to_thread(remote.refresh)


async def test_away_at_a_refresh(
    vault: VaultPeer, path: Path, remote: SecretCache, clock: Clock, events: SecretEvents
) -> None:
    """The last good value stays, its age grows; each change of state is told once."""
    await load(path, remote)
    clock.now += 60
    assert not await refresh(remote)
    assert remote.ages() == {NAME: 0}
    vault.sealed = True
    why = "Vault answered 503"
    for seconds in (60, 120):
        clock.now += 60
        assert not await refresh(remote)
        assert (remote.ages(), remote.failures()) == ({NAME: seconds}, {NAME: why})
    assert await secret_of(path, remote) == FIRST  # a reload
    assert events.told == [("kept", NAME, why)]
    vault.sealed = False
    assert not await refresh(remote)
    assert (remote.ages(), remote.failures()) == ({NAME: 0}, {})
    assert events.told[1:] == [("confirmed", NAME, "")]


async def test_rotated(vault: VaultPeer, path: Path, remote: SecretCache, events: SecretEvents) -> None:
    await load(path, remote)
    vault.put("twilio/main", api_secret=SECOND)
    assert await refresh(remote)
    assert not await refresh(remote)
    assert events.told == [("rotated", NAME, "")]
    vault.sealed = True
    assert await secret_of(path, remote) == SECOND
    assert SECOND not in f"{events.told} {remote.__dict__} {remote.ages()} {remote.failures()}"


async def test_a_rotated_value_that_is_no_secret(vault: VaultPeer, path: Path, remote: SecretCache) -> None:
    await load(path, remote)
    for value in ("", "two\nlines"):
        vault.put("twilio/main", api_secret=value)
        assert not await refresh(remote)
        assert list(remote.failures()) == [NAME]
        assert await secret_of(path, remote) == FIRST


async def test_a_reload_that_moves_to_another_store(
    vault: VaultPeer, tmp_path: Path, remote: SecretCache
) -> None:
    """What one Vault said is no substitute for what another one does not say; the first is asked on."""
    await load(write(tmp_path, vault), remote)
    line = await complaint_of(write(tmp_path, vault, address="http://127.0.0.1:1"), remote)
    assert "gave no answer (ClientConnectorError)" in line
    vault.put("twilio/main", api_secret=SECOND)
    assert await refresh(remote)


async def test_a_reload_without_references(vault: VaultPeer, path: Path, remote: SecretCache) -> None:
    """What is not referred to any more is not asked for any more."""
    await load(path, remote)
    edit(path, f"vault: {REFERENCE['vault']}", "env: TWILIO_API_SECRET")
    await load(path, remote)
    vault.reads.clear()
    assert not await refresh(remote)
    assert (vault.reads, remote.ages()) == ([], {})


async def test_the_background(vault: VaultPeer, tmp_path: Path) -> None:
    """Every `refresh_seconds`, a change is told to whoever loads."""
    remote, told = SecretCache(), asyncio.Event()
    loop = asyncio.get_running_loop()
    await load(write(tmp_path, vault, refresh_seconds=1), remote)
    remote.start(lambda: loop.call_soon_threadsafe(told.set), SecretEvents())
    vault.put("twilio/main", api_secret=SECOND)
    async with asyncio.timeout(120):
        await told.wait()
    assert await secret_of(tmp_path / "gateway.yaml", remote) == SECOND
    await asyncio.to_thread(remote.close)
    assert "secrets" not in {thread.name for thread in threading.enumerate()}


async def test_a_reload_changes_the_pace(vault: VaultPeer, tmp_path: Path) -> None:
    """A day of waiting is not waited out."""
    remote, told = SecretCache(), asyncio.Event()
    loop = asyncio.get_running_loop()
    await load(write(tmp_path, vault, refresh_seconds=86_400), remote)
    remote.start(lambda: loop.call_soon_threadsafe(told.set), SecretEvents())
    await load(write(tmp_path, vault, refresh_seconds=1), remote)
    vault.put("twilio/main", api_secret=SECOND)
    async with asyncio.timeout(120):
        await told.wait()
    await asyncio.to_thread(remote.close)


async def test_closing_does_not_wait_for_a_silent_store(vault: VaultPeer, tmp_path: Path) -> None:
    """A reload that is under way ends as one that failed."""
    remote = SecretCache()
    vault.silent = True
    loading = asyncio.create_task(load(write(tmp_path, vault, timeout_seconds=300), remote))
    async with asyncio.timeout(120):
        await vault.asked.wait()
        await asyncio.to_thread(remote.close)
        with pytest.raises(ConfigError, match="was not read: the gateway is stopping"):
            await loading


async def test_many_secrets_of_a_silent_store(vault: VaultPeer, tmp_path: Path) -> None:
    """The time-out is for all of them, not for one after the other; all are named."""
    path = write(tmp_path, vault, timeout_seconds=0.5)
    keys = "".join(
        f"    - {{sid: {ENVIRON['TWILIO_API_KEY']}, secret: {{vault: 'twilio/{number}#secret'}}}}\n"
        for number in range(100)
    )
    edit(path, "    keys:\n    - secret:", f"    keys:\n{keys}    - secret:")
    vault.silent = True
    async with asyncio.timeout(120):
        with pytest.raises(ConfigError) as caught:
            await load(path, SecretCache())
    assert len(caught.value.problems) == 101


async def test_check(vault: VaultPeer, path: Path) -> None:
    """`gateway check` asks the stores, and shows no secret."""
    for sealed, expected in (
        (False, (0, "ok, 1 credential, 1 consumer")),
        (True, (75, "answered 503; it is")),
    ):
        vault.sealed = sealed
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "check", "--config", str(path),
            env={**os.environ, **ENVIRON}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 180)
        assert process.returncode == expected[0]
        assert expected[1] in said.decode()
        assert FIRST not in said.decode()


@pytest.mark.parametrize(
    ("away", "code"), [("sealed", 75), ("silent", 75), ("closed", 75), ("denied", 2), ("sealed_and_wrong", 2)]
)
async def test_d1_an_unavailable_store_at_the_start_has_its_own_exit_code(
    vault: VaultPeer, tmp_path: Path, away: str, code: int
) -> None:
    """75 is started again by systemd. 2 is not: a permission or another problem does not mend itself."""
    path = write(tmp_path, vault, timeout_seconds=0.5 if away == "silent" else 30)
    match away:
        case "silent":
            vault.silent = True
        case "closed":
            edit(path, vault.url, "http://127.0.0.1:1")
        case "denied":
            vault.denied.add("twilio/main")
        case _:
            vault.sealed = True
    environ = {**os.environ, **ENVIRON}
    if away == "sealed_and_wrong":
        del environ["TWILIO_ACCOUNT_SID"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(path),
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == code, said
    assert (b"Start it again when the secret store answers" in said) is (code == 75)
