"""The image, built as far as that goes without a container engine: what its steps make is run."""

import asyncio
import json
import os
import re
import resource
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from tests.support.caller import MESSAGES, ask, ask_admin, request
from tests.support.compiled_tree import OBJECTS
from tests.support.compiler_cache import cached_compiler
from tests.support.dockerfile import Build, make_context, read_dockerfile
from tests.support.running import ENVIRON, configuration
from tests.support.upstream import raw_upstream

ROOT = Path(__file__).parents[2]
LEAN, FULL, BUILD = (f"deploy/requirements{kind}.lock" for kind in ("", "-image", "-compile"))
ARGUMENTS, STAGES = read_dockerfile(ROOT / "Dockerfile")
LAST = STAGES[-1]
UID = 10001
BASE_PYTHON = Path(sys.base_prefix) / "bin/python3"
NOTHING_LISTENS_THERE = 1  # tcpmux: nobody runs it


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The root folder of a built first stage, readable by everybody."""
    with tempfile.TemporaryDirectory(prefix="gateway-image-") as folder:
        context, root = Path(folder) / "context", Path(folder) / "root"
        make_context(ROOT, context)
        compiler = {
            "CC": cached_compiler(OBJECTS)
        }  # what the compiled tree was made of is not compiled again
        Build(context, root, BASE_PYTHON, {"LOCK": LEAN, **compiler}).run(STAGES[0])
        Path(folder).chmod(0o755)
        yield root


def test_the_last_stage_is_what_the_first_one_made(image: Path) -> None:
    """Only /opt/gateway comes over: no installer, no build tools' environment, no sources."""
    (copied,) = LAST.all_of("COPY")
    assert copied == f"--from={STAGES[0].name} /opt/gateway /opt/gateway"
    assert LAST.all_of("ENV")[0].startswith("PATH=/opt/gateway/bin:$PATH ")
    (program,) = LAST.exec_form("ENTRYPOINT")
    assert os.access(image / "opt/gateway/bin" / program, os.X_OK)
    packages = {path.name for path in image.glob("opt/gateway/lib/python3*/site-packages/*")}
    assert {"gateway", "twilio_simulator", "aiohttp"} <= packages
    examples = image.glob("opt/gateway/lib/python3*/site-packages/gateway/examples/*.yaml")
    assert {path.name for path in examples} == {"gateway.yaml", "quickstart.yaml", "traffic.yaml"}
    assert not {"pip", "setuptools"} & packages


def test_both_stages_stand_on_the_same_pinnable_python() -> None:
    """The first has a C compiler, the last is the slim one of the same Python and Debian."""
    assert [stage.image for stage in STAGES] == ["${BUILD_IMAGE}", "${PYTHON_IMAGE}"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", ARGUMENTS["PYTHON_IMAGE"])
    assert ARGUMENTS["BUILD_IMAGE"] == ARGUMENTS["PYTHON_IMAGE"].replace("slim-", "")


def test_the_last_stage_is_nobody_and_has_no_shell_in_front() -> None:
    """By number: Kubernetes' runAsNonRoot cannot judge a name."""
    assert LAST.all_of("USER") == [f"{UID}:{UID}"]
    after_user = LAST.steps[LAST.steps.index(("USER", f"{UID}:{UID}")) :]
    assert not [step for step in after_user if step[0] in ("RUN", "COPY", "ADD")]
    assert LAST.exec_form("CMD") == ["serve", "--config", "/etc/twilio-gateway/gateway.yaml"]
    assert all(f"id {UID}" in text for text in LAST.all_of("RUN"))
    assert not [text for stage in STAGES for text in stage.all_of("ADD")]


def test_the_image_runs_the_compiled_build(image: Path) -> None:
    done = subprocess.run(
        [image / "opt/gateway/bin/gateway", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert done.stdout == f"gateway {__version__} (compiled)\n"


async def test_it_serves_as_nobody_and_writes_nothing(image: Path) -> None:
    """No home, no temporary folder, a read-only working directory, and no byte written to any file."""
    async with raw_upstream() as upstream, image_gateway(image, upstream.url) as gateway:
        assert (await ask_admin(gateway.admin_port, "/livez")).body == b"ok\n"
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
        assert 0 not in uids(gateway.pid)


async def test_healthcheck(image: Path) -> None:
    """Healthy while the gateway serves; not healthy when nobody does, or somebody who is not well."""
    async with raw_upstream() as upstream:
        async with image_gateway(image, upstream.url) as gateway:
            assert await health(image, gateway.admin_port) == 0
            assert await health(image, gateway.port) == 1  # a 404 is no health
        assert await health(image, gateway.admin_port) == 1
    assert await health(image, NOTHING_LISTENS_THERE) == 1


def test_the_locks_agree() -> None:
    """What was tested is what the image has: each package of it in the same version as in the other locks."""
    lean, full, tested = (pins(ROOT / name) for name in (LEAN, FULL, "tests/requirements.lock"))
    assert full.items() <= tested.items()
    build = pins(ROOT / BUILD)
    assert build.items() <= tested.items()
    assert lean.items() <= (full | build).items()


def test_the_image_has_the_extras_but_the_large_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    full = pins(ROOT / FULL)
    for extra, needs in project["optional-dependencies"].items():
        names = {re.split(r"[\[<>=]", need)[0] for need in needs}
        assert (names <= full.keys()) is (extra != "phonenumbers"), extra


@pytest.mark.parametrize("name", [LEAN, FULL, BUILD])
def test_every_package_is_pinned_by_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.findall(r"^[^\s#].*(?:\n    --hash=.*)*", text, re.MULTILINE)
    assert len(entries) == len(pins(ROOT / name)) >= 2
    assert all("--hash=sha256:" in entry for entry in entries)
    installs = [text for text in STAGES[0].all_of("RUN") if " -r " in text]
    assert installs
    assert all("--require-hashes" in text for text in installs)


def pins(lock: Path) -> dict[str, str]:
    """Package -> version."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@dataclass(frozen=True)
class ImageGateway:
    """A gateway of the image."""

    pid: int
    port: int
    admin_port: int


def uids(pid: int) -> set[int]:
    """Who a process is: real, effective, saved and of its files (proc(5))."""
    (line,) = re.findall(r"^Uid:(.*)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return {int(uid) for uid in line.split()}


async def health(image: Path, port: int) -> int:
    """The exit status of HEALTHCHECK's command."""
    program, *arguments = LAST.exec_form("HEALTHCHECK")
    process = await asyncio.create_subprocess_exec(
        *as_nobody(), image / "opt/gateway/bin" / program, *arguments, cwd="/",
        env={"GATEWAY__ADMIN__LISTEN": f"0.0.0.0:{port}", "http_proxy": "http://127.0.0.1:1"},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await asyncio.wait_for(process.wait(), 180)


def as_nobody() -> list[str]:
    """Runs what follows as the image's user, without capabilities; if we are not root, we are nobody already.

    An interpreter below a closed home (pyenv's in /root) can be read only with CAP_DAC_READ_SEARCH, which
    gives no leave to write.
    """
    if os.getuid() != 0:
        return []
    interpreter = BASE_PYTHON.resolve()
    closed = any(not path.stat().st_mode & stat.S_IXOTH for path in (interpreter, *interpreter.parents))
    left = "-all,+dac_read_search" if closed else "-all"
    return [
        "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs",
        f"--inh-caps={left}", f"--ambient-caps={left}", f"--bounding-set={left}",
    ]  # fmt: skip


def forbid_files() -> None:
    """From here on, writing a byte to a regular file fails with EFBIG (setrlimit(2))."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def mount_config(folder: Path, settings: dict[str, Any]) -> Path:
    """The file, which everybody may read and nobody may write."""
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(settings))
    config.chmod(0o444)
    folder.chmod(0o555)
    return config


@asynccontextmanager
async def image_gateway(image: Path, upstream: str) -> AsyncIterator[ImageGateway]:
    """ENTRYPOINT and CMD, with the image's environment and a configuration that is mounted elsewhere."""
    (program,) = LAST.exec_form("ENTRYPOINT")
    command, option, _ = LAST.exec_form("CMD")
    with tempfile.TemporaryDirectory(prefix="gateway-config-") as folder:
        config = mount_config(Path(folder), configuration(upstream, log={"format": "json"}))
        environ = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "TMPDIR": "/nonexistent"}
        process = await asyncio.create_subprocess_exec(
            *as_nobody(), image / "opt/gateway/bin" / program, command, option, config, cwd=folder,
            env={**environ, **ENVIRON}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            preexec_fn=forbid_files,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            first = await asyncio.wait_for(process.stdout.readline(), 180)
            assert first.startswith(b"{"), first + await process.stdout.read()
            line = json.loads(first)
            yield ImageGateway(process.pid, _port(line["url"]), _port(line["admin"]))
            process.terminate()
            out = await asyncio.wait_for(process.stdout.read(), 180)
            assert await asyncio.wait_for(process.wait(), 180) == 0, out
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
