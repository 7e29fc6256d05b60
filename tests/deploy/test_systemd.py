"""The unit for systemd: systemd itself judges it, and replicas are started as it says."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from gateway.config.schema.settings import Settings
from gateway.config.schema.upstream_settings import Upstream
from tests.clients.programs import require_tool
from tests.support.caller import MESSAGES, ask, ask_admin, request
from tests.support.free_ports import free_ports
from tests.support.running import ENVIRON, configuration
from tests.support.upstream import raw_upstream

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/gateway@.service"
MOST_EXPOSURE = 15  # tenths; systemd calls up to 2.0 "OK", and what is left is the network
INSTALLED = "/opt/twilio-gateway/bin/gateway"


@pytest.fixture
def analyze() -> str:
    """The program that judges units."""
    return require_tool("systemd-analyze")


def test_verify(analyze: str, tmp_path: Path) -> None:
    assert verified(analyze, tmp_path, unit_here()) == (0, "")


def test_verify_sees_mistakes(analyze: str, tmp_path: Path) -> None:
    """The check above can fail: on a name that systemd does not know, and a program that is not there."""
    status, said = verified(analyze, tmp_path, UNIT.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "Unknown key 'WatchdogSecs'" in said
    assert f"{INSTALLED} is not executable" in said
    assert status != 0


def test_security(analyze: str, tmp_path: Path) -> None:
    (tmp_path / UNIT.name).write_text(unit_here())
    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager",
         str(tmp_path / UNIT.name)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_times_and_signals_fit_the_gateway() -> None:
    """The manager waits for the drain, hears from the process itself, and does not repeat a wrong start."""
    (stop,) = values("TimeoutStopSec")
    drain = Settings.model_fields["drain_seconds"].default
    assert int(stop) > drain >= Upstream.model_fields["deadline_seconds_max"].default
    assert values("Type") == ["notify"]
    assert values("NotifyAccess") == ["main"]
    assert values("ExecReload") == ["kill -HUP $MAINPID"]
    assert values("RestartPreventExitStatus") == ["2"]


def test_replicas_are_one_user() -> None:
    """Else the kernel refuses the second one the port (socket(7), SO_REUSEPORT)."""
    assert values("DynamicUser") == ["yes"]
    assert len(values("User")) == 1


def test_what_is_loaded_is_what_the_configuration_reads() -> None:
    loaded = {value.split(":")[0] for value in values("LoadCredential")}
    environ = environment("9091", "/credentials")
    read = {Path(text).name for text in find_files(json.loads(environ["GATEWAY__CREDENTIALS__MAIN__KEYS"]))}
    read |= {
        Path(text).name for text in find_files(json.loads(environ["GATEWAY__CREDENTIALS__MAIN__ACCOUNT_SID"]))
    }
    assert loaded == read


def test_the_example_of_overrides_is_good(tmp_path: Path) -> None:
    """Every name in it, the commented ones too, is a setting."""
    text = (ROOT / "deploy/systemd/gateway.env.example").read_text()
    lines = [line.lstrip("#") for line in text.splitlines() if line.lstrip("#").partition("=")[0].isupper()]
    overrides = dict(line.split("=", 1) for line in lines)
    assert len(overrides) >= 4
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--config", "config/gateway.yaml"], cwd=ROOT,
        env={"PATH": os.environ["PATH"], **overrides, **environment("9091", str(credentials(tmp_path)))},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


async def test_two_replicas_share_the_port(tmp_path: Path) -> None:
    """With the unit's own environment: one data port, an admin port each, credentials from their folder."""
    port, first, second = free_ports(3)
    folder = credentials(tmp_path)
    async with raw_upstream() as upstream:
        config = tmp_path / "gateway.yaml"
        settings = configuration(upstream.url, listen=f"127.0.0.1:{port}", log={"format": "json"})
        del settings["credentials"]["main"]["keys"], settings["admin"]
        config.write_text(yaml.safe_dump(settings))
        async with replica(config, first, folder), replica(config, second, folder):
            for admin_port in (first, second):
                assert (await ask_admin(admin_port, "/readyz")).status == 200
            assert (await ask(port, request(f"GET {MESSAGES}"))).status == 200


def unit_here() -> str:
    """The unit, with the program where it is installed here."""
    return UNIT.read_text().replace(INSTALLED, str(Path(sys.executable).parent / "gateway"))


def verified(analyze: str, folder: Path, unit: str) -> tuple[int, str]:
    """Exit status and messages of `systemd-analyze verify` on an instance."""
    (folder / UNIT.name).write_text(unit)
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no",
         str(folder / UNIT.name.replace("@", "@9091"))],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_file_of_overrides_leaves_the_unit_its_own() -> None:
    """systemd lets a file win over `Environment=`, wherever that stands: replicas would share a port."""
    example = UNIT.with_name("gateway.env.example").read_text()
    set_there = {line.removeprefix("#").partition("=")[0] for line in example.splitlines() if "=" in line}
    assert "GATEWAY__LISTEN" in set_there
    assert not set_there & environment("9091", "/run/credentials").keys()


def values(name: str) -> list[str]:
    """What the unit assigns to a name, in order."""
    lines = UNIT.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def environment(instance: str, folder: str) -> dict[str, str]:
    """The unit's variables, its specifiers filled in (systemd.unit(5))."""
    words = [word for value in values("Environment") for word in shlex.split(value)]
    return dict(word.replace("%i", instance).replace("%d", folder).split("=", 1) for word in words)


def find_files(value: object) -> list[str]:
    """All `{"file": …}` of a value."""
    if isinstance(value, list):
        return [found for item in value for found in find_files(item)]
    if isinstance(value, dict):
        return [
            item for name, part in value.items() for item in ([part] if name == "file" else find_files(part))
        ]
    return []


def credentials(folder: Path) -> Path:
    """What systemd would have put into $CREDENTIALS_DIRECTORY."""
    for variable, value in ENVIRON.items():
        (folder / variable.lower()).write_text(value + "\n")
    return folder


@asynccontextmanager
async def replica(config: Path, instance: int, folder: Path) -> AsyncIterator[None]:
    """ExecStart with the unit's environment and no other."""
    (start,) = values("ExecStart")
    program, command, option, _ = shlex.split(start)
    assert (program, command, option) == (INSTALLED, "serve", "--config")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", command, option, str(config), cwd=ROOT,
        env=environment(str(instance), str(folder)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first = await asyncio.wait_for(process.stdout.readline(), 180)
        assert b'"serving"' in first, first + await process.stdout.read()
        yield
        process.terminate()
        await process.stdout.read()
        assert await asyncio.wait_for(process.wait(), 180) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
