"""A large configuration that is read by a child process: the same outcome, and no secret on the way (C13)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import ConfigurationSource, make_configuration
from gateway.config.loading import child_process
from gateway.config.loading.child_process import LARGE_BYTES, load_apart
from gateway.config.loading.load import load_settings
from gateway.config.problems import ConfigError
from gateway.config.reloading.changes import describe_changes
from gateway.secret_stores.secret_cache import SecretCache
from tests.support.running import ENVIRON, configuration, consumer

CANARY = "canary-secret-of-the-environment"
ENVIRONMENT = {**ENVIRON, "TWILIO_API_SECRET": CANARY, "GATEWAY__DRAIN_SECONDS": "7"}
Started = list[tuple[list[str], dict[str, Any]]]


@pytest.fixture(scope="module")
def large_text() -> str:
    """More than the size from which a child reads a file."""
    consumers = {
        f"service-{number}": consumer(f"key-{number}", limits=[{"rate": "5/s"}]) for number in range(1200)
    }
    consumers["app"] = consumer(
        keys=[{"env": "DIGEST"}, {"digest": "sha256:" + "1" * 64, "expires": "2036-01-01T00:00:00Z"}]
    )
    text = yaml.safe_dump(configuration("http://127.0.0.1:9", consumers=consumers))
    return text + "#" * max(0, LARGE_BYTES - len(text))


@pytest.fixture
def large(tmp_path: Path, large_text: str) -> Path:
    """A file that a child reads."""
    path = tmp_path / "gateway.yaml"
    path.write_text(large_text)
    return path


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The command and settings of each child that was started."""
    started: Started = []
    popen = subprocess.Popen

    def start(command: list[str], **settings: Any) -> "subprocess.Popen[bytes]":
        started.append((command, settings))
        return popen(command, **settings)

    monkeypatch.setattr(subprocess, "Popen", start)
    return started


def test_c13_a_child_reads_what_this_process_would(large: Path, children: Started) -> None:
    read = load_apart(large, ENVIRONMENT)
    assert len(children) == 1
    here = load_settings(large, ENVIRONMENT)
    assert read == here
    assert list(read.settings.consumers) == list(here.settings.consumers)
    assert read.settings.model_fields_set == here.settings.model_fields_set
    assert read.settings.drain_seconds == 7, "an override reached the child"
    place = ("consumers", "service-7", "limits", 0, "rate")
    assert read.origins.problem(place, "x") == here.origins.problem(place, "x")


def test_c13_a_reload_compiles_the_same_snapshot(large: Path, children: Started) -> None:
    environ = {**ENVIRONMENT, "DIGEST": "sha256:" + "2" * 64}
    source = ConfigurationSource(large, environ, SecretCache())
    before = source.load()
    assert not children, "nothing is served at the start"
    after = source.load(apart=True)
    assert len(children) == 1
    assert describe_changes(before, after) == ()
    snapshots = [make_configuration(each).snapshot for each in (before, after)]
    assert snapshots[0].config_hash == snapshots[1].config_hash
    keys = [
        {digest: entry.consumer.name for digest, entry in each.identities.keys.items()} for each in snapshots
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1202


def test_c13_secrets_travel_by_the_pipe(large: Path, children: Started) -> None:
    load_apart(large, ENVIRONMENT)
    ((command, settings),) = children
    assert CANARY not in " ".join(command)
    assert CANARY not in str(settings)
    assert not settings["env"].keys() & ENVIRONMENT.keys()


def test_c13_problems_of_a_child_are_the_same(large: Path, children: Started) -> None:
    large.write_text(large.read_text().replace("5/s", "5/x", 2) + "\nconcurency: {}\n")
    with pytest.raises(ConfigError) as there:
        load_apart(large, ENVIRONMENT)
    assert len(children) == 1
    with pytest.raises(ConfigError) as here:
        load_settings(large, ENVIRONMENT)
    assert there.value.problems == here.value.problems
    assert "did you mean 'concurrency'?" in str(there.value)


def test_c13_a_small_file_needs_no_child(large: Path, children: Started) -> None:
    large.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9")))
    assert load_apart(large, ENVIRONMENT) == load_settings(large, ENVIRONMENT)
    assert not children


def _no_interpreter(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(folder / "none"))


def _no_answer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")


def _another_version(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(child_process, "__version__", "0.0.0")


@pytest.mark.parametrize(
    "broken", [_no_interpreter, _no_answer, _another_version], ids=lambda each: each.__name__[1:]
)
def test_c13_without_a_child_it_is_read_here(
    large: Path, tmp_path: Path, children: Started, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    broken(monkeypatch, tmp_path)
    assert load_apart(large, ENVIRONMENT) == load_settings(large, ENVIRONMENT)
    assert len(children) == 1
