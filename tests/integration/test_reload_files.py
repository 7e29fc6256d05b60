"""Files that are replaced while the gateway runs: noticed, in every way that people replace them."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.compile import compile_snapshot
from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.reloading.reloader import Reload, Reloader, Result
from gateway.policy.snapshot import Snapshot
from tests.support.running import ENVIRON, configuration, consumer

KEYS = {name: f"gw_test-key-of-consumer-{name}-0123456789" for name in ("app", "other", "third")}


def text_of(*names: str, secret: Path | None = None) -> str:
    """A configuration with these consumers."""
    settings = configuration("http://127.0.0.1:1", consumers={name: consumer(KEYS[name]) for name in names})
    if secret is not None:
        settings["credentials"]["main"]["keys"][0]["secret"] = {"file": str(secret)}
    return yaml.safe_dump(settings)


class Scene:
    """A reloader over real files, and what it did."""

    def __init__(self, path: Path, poll_seconds: float) -> None:
        self.told: asyncio.Queue[Reload] = asyncio.Queue()
        self.consumers: list[set[str]] = []

        def load() -> ResolvedSettings:
            return load_resolved(path, ENVIRON)

        self.reloader = Reloader(
            load(), load, compile_snapshot, self._apply, self.told.put_nowait, poll_seconds
        )

    async def _apply(self, snapshot: Snapshot, _: tuple[str, ...]) -> None:
        self.consumers.append(set(snapshot.consumers))

    async def next(self) -> Reload:
        """What is told next."""
        return await asyncio.wait_for(self.told.get(), 60)


@asynccontextmanager
async def reloading(path: Path, poll_seconds: float = 600) -> AsyncIterator[Scene]:
    """A scene that has been started, and watches."""
    scene = Scene(path, poll_seconds)
    scene.reloader.start()
    await asyncio.to_thread(scene.reloader.watching.wait, 20)
    try:
        yield scene
    finally:
        await scene.reloader.close()


def replace(path: Path, text: str) -> None:
    """In one step, as careful editors do."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)


async def test_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path) as scene:
        for names in (("app", "other"), ("other",)):
            replace(path, text_of(*names))
            assert (await scene.next()).result is Result.DONE
            assert scene.consumers[-1] == set(names)


async def test_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path) as scene:
        with path.open("w") as file:
            for line in text_of("app", "other", "third").splitlines(keepends=True):
                file.write(line)
                file.flush()
        while (await scene.next()).result is not Result.DONE:
            pass
        assert scene.consumers[-1] == {"app", "other", "third"}


def mount(volume: Path, version: str, files: dict[str, str]) -> None:
    """As the kubelet updates a ConfigMap or a Secret: a new folder, and `..data` moved over to it."""
    folder = volume / f"..{version}"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    old = os.readlink(volume / "..data") if (volume / "..data").is_symlink() else ""
    (volume / "..data_tmp").symlink_to(folder.name)
    (volume / "..data_tmp").replace(volume / "..data")
    for name in files:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    if old:
        shutil.rmtree(volume / old)


async def test_a_config_map_and_a_secret_are_updated(tmp_path: Path) -> None:
    """Three times, for what was watched is gone after the first."""
    maps, secrets = tmp_path / "config", tmp_path / "secrets"
    maps.mkdir()
    secrets.mkdir()
    mount(secrets, "1", {"twilio": "secret-1"})
    mount(maps, "1", {"gateway.yaml": text_of("app", secret=secrets / "twilio")})
    async with reloading(maps / "gateway.yaml") as scene:
        for version in ("2", "3", "4"):
            mount(secrets, version, {"twilio": f"secret-{version}"})
            told = await scene.next()
            assert f"{secrets / 'twilio'}: another content" in told.changes
            await asyncio.to_thread(scene.reloader.watching.wait, 20)
        mount(maps, "2", {"gateway.yaml": text_of("other", secret=secrets / "twilio")})
        assert (await scene.next()).result is Result.DONE
        assert scene.consumers[-1] == {"other"}


async def test_a_folder_that_is_a_link_to_a_release(tmp_path: Path) -> None:
    for release, name in (("one", "app"), ("two", "other")):
        (tmp_path / release).mkdir()
        (tmp_path / release / "gateway.yaml").write_text(text_of(name))
    current = tmp_path / "current"
    current.symlink_to("one")
    async with reloading(current / "gateway.yaml") as scene:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(current)
        assert (await scene.next()).result is Result.DONE
        assert scene.consumers[-1] == {"other"}


async def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    """Looking now and then finds what no event tells of."""
    folder = tmp_path / "config"
    folder.mkdir()
    path = folder / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path, poll_seconds=0.5) as scene:
        folder.rename(tmp_path / "away")
        failed = await scene.next()
        assert failed.result is Result.FAILED
        assert "cannot be read (No such file or directory)" in str(failed.problems[0])
        folder.mkdir()
        path.write_text(text_of("other"))
        while (await scene.next()).result is not Result.DONE:
            pass
        assert scene.consumers == [{"other"}]


async def test_what_is_wrong_is_told_once(tmp_path: Path) -> None:
    """However often is looked; and what was in force comes back without a change."""
    path, secret = tmp_path / "gateway.yaml", tmp_path / "secret"
    secret.write_text("secret-1")
    path.write_text(text_of("app", secret=secret))
    async with reloading(path, poll_seconds=0.1) as scene:
        secret.unlink()
        assert (await scene.next()).result is Result.FAILED
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scene.told.get(), 1)
        replace(secret, "secret-1")
        assert (await scene.next()).changes == ()
        assert len(scene.consumers) == 1


async def test_the_same_content_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path, poll_seconds=0.1) as scene:
        replace(path, text_of("app"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scene.told.get(), 1)
        scene.reloader.trigger("SIGHUP")
        assert (await scene.next()).result is Result.UNCHANGED
        assert scene.consumers == []


async def test_two_quick_changes(tmp_path: Path) -> None:
    """The last one is in force in the end, whatever was read in between."""
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path) as scene:
        replace(path, text_of("other"))
        replace(path, text_of("third"))
        while "third" not in (scene.consumers or [set()])[-1]:
            await scene.next()


async def test_c7_a_read_that_blocks_fails_its_reload_and_is_found_by_the_next(tmp_path: Path) -> None:
    """One thread is held up, however often a reload is asked for; when the path answers, it is applied."""
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    answers, reads = threading.Event(), []
    told: asyncio.Queue[Reload] = asyncio.Queue()
    resolved = load_resolved(path, ENVIRON)

    def load() -> ResolvedSettings:
        reads.append(1)
        answers.wait(20)
        return load_resolved(path, ENVIRON)

    async def apply(_: Snapshot, __: tuple[str, ...]) -> None: ...

    reloader = Reloader(resolved, load, compile_snapshot, apply, told.put_nowait, 600, read_seconds=0.01)
    reloader.start()
    replace(path, text_of("app", "other"))
    for reason in ("SIGHUP", "API"):
        reloader.trigger(reason)
        while reason not in (failed := await asyncio.wait_for(told.get(), 60)).reason:
            pass
        assert failed.result is Result.FAILED
        assert "does one of its paths block?" in str(failed.problems[0])
    assert len(reads) == 1
    answers.set()
    while (await asyncio.wait_for(told.get(), 60)).result is not Result.DONE:
        reloader.trigger("SIGHUP")
    await reloader.close()


def _fail(*_: ResolvedSettings) -> None:
    raise KeyError("secret-in-a-text")


async def test_a_fault_of_ours_ends_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """It is told by its type alone, and the next reload is tried."""
    path = tmp_path / "gateway.yaml"
    path.write_text(text_of("app"))
    async with reloading(path) as scene:
        with monkeypatch.context() as broken:
            broken.setattr("gateway.config.reloading.reloader.describe_changes", _fail)
            scene.reloader.trigger("SIGHUP")
            failed = await scene.next()
        assert [str(each) for each in failed.problems] == [
            f"{path}: the gateway failed to read it (KeyError)"
        ]
        replace(path, text_of("other"))
        assert (await scene.next()).result is Result.DONE
