"""Every line of the README is run as it stands (row D7): commands, SDK lines, and what `make run` prints.

Only what the README leaves open is filled in: `AC…`, `SK…`, `gw…`. Twilio is the simulator.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.free_ports import free_port
from twilio_simulator import DEFAULT_ACCOUNT_SID, DEFAULT_API_KEY, DEFAULT_API_SECRET

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.M | re.S)
SHELL = [text for kind, text in BLOCKS if kind != "python"]
ACCOUNT = "AC" + "0" * 32


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone after `make install`: its stamps are there, and the programs are this interpreter's."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv", "config"):
            (tmp_path / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.prefix) / "bin")
    for stamp in (".run", ".test"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def run(script: str, folder: Path, **environ: str) -> str:
    """What a shell prints for a block; it must succeed."""
    done = subprocess.run(
        ["/bin/bash", "-euc", script], cwd=folder, env={**os.environ, **environ},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def running(
    script: str, folder: Path, until: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A block that goes on until it is interrupted, and what it printed up to `until`."""
    process = subprocess.Popen(
        ["/bin/bash", "-euc", script], cwd=folder, env={**os.environ, **environ}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if until in line:
                break
        assert until in said, said
        yield process, said
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with process.stdout:
            process.stdout.read()
        process.wait(60)


def send(curl: str, python: str, folder: Path) -> None:
    """Both ways of sending a message answer with one."""
    answer = run(f"{curl.strip()} -s -w ' %{{http_code}}'", folder)
    assert re.search(r'"sid": ?"SM[0-9a-f]{32}".* 201$', answer, re.S), answer
    program = re.sub(r"^(client\.messages\.create.*)$", r"print(\1.sid)", python, flags=re.M)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert re.fullmatch(r"SM[0-9a-f]{32}\n", done.stdout), done.stderr


def test_d7_make_run_prints_lines_that_work(checkout: Path) -> None:
    """On the documented ports, or the next free ones; `make test`, beside it, is what runs this."""
    lines = [line.split("#")[0].split() for line in SHELL[0].splitlines()]
    assert lines == [["make", "run"], ["make", "test"]]
    assert "pytest" in run("make -n test", checkout)
    with running("make run", checkout, "Ctrl+C stops", GATEWAY__LOG__LEVEL="error") as (_, said):
        (curl,) = re.findall(r"^  (curl .*\\\n.*)$", said, re.M)
        python = "".join(re.findall(r"^  ((?:from|client).*\n)", said, re.M))
        send(curl, python, checkout)
        assert "twilio-gateway" in _page(said)
        with running("make run", checkout, "Ctrl+C stops", GATEWAY__LOG__LEVEL="error") as (_, second):
            assert "Taken: 127.0.0.1:" in second
            assert "twilio-gateway" in _page(second)
            assert _address(said) != _address(second)


def _address(said: str) -> str:
    return str(re.findall(r"^The live page:  (\S+)$", said, re.M)[0])


def _page(said: str) -> str:
    with urlopen(_address(said)) as answer:
        text: str = bytes(answer.read()).decode()
    return text


def test_d7_a_venv_that_failed_is_not_left_behind(checkout: Path) -> None:
    """Debian's Python without python3-venv makes half of one; the next `make` would take it for whole."""
    python = checkout / "python"
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\nmkdir -p "$3/bin" && touch "$3/bin/python"\nexit 1\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "run", f"PYTHON={python}", "VENV=half"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "apt-get install python3-venv" in done.stdout
    assert done.returncode == 2
    assert not (checkout / "half").exists()


def test_d7_progress_is_shown(checkout: Path) -> None:
    """Nothing is installed silently."""
    steps = run("make -n run VENV=new", checkout)
    assert "Installing into new" in steps
    assert not re.search(r"pip install .*-q\b", steps)


def test_d7_five_minutes_to_the_first_message(checkout: Path) -> None:
    """Steps 1 to 5, then every command of the table "Every day"."""
    _, install, export, init, serve, curl = SHELL
    (python,) = [text for kind, text in BLOCKS if kind == "python"]
    port, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))  # the README's may be taken on this machine
    values = {
        "TWILIO_ACCOUNT_SID=AC…": f"TWILIO_ACCOUNT_SID={DEFAULT_ACCOUNT_SID}",
        "TWILIO_API_KEY=SK…": f"TWILIO_API_KEY={DEFAULT_API_KEY}",
        "TWILIO_API_SECRET=…": f"TWILIO_API_SECRET={DEFAULT_API_SECRET}",
    }
    for open_value, value in values.items():
        assert open_value in export
        export = export.replace(open_value, value)
    ready = run(f"{install}\n{export}\nenv", checkout)
    environ = dict(
        line.split("=", 1)
        for line in ready.splitlines()
        if line.startswith(("TWILIO_", "PATH=", "VIRTUAL_ENV="))
    )
    said = run(init, checkout, **environ)
    secret = re.findall(r"^\s+(gw[A-Za-z0-9]{43})$", said, re.M)[0]
    assert (checkout / "gateway.yaml").is_file()
    check, start = serve.strip().splitlines()
    with running("gateway simulate --listen 127.0.0.1:0", checkout, "Simulating", **environ) as (
        _,
        simulated,
    ):
        environ |= {"GATEWAY__LISTEN": port, "GATEWAY__ADMIN__LISTEN": admin}
        environ["GATEWAY__UPSTREAM__CONNECT_TO"] = re.findall(r"http://\S+", simulated)[0]
        assert "ok" in run(check, checkout, **environ).lower()
        with running(f"exec {start}", checkout, "serving", **environ) as (process, _):
            _await_ready(admin)
            assert ACCOUNT in curl
            curl, python = (
                each.replace("gw…", secret).replace("127.0.0.1:8080", port) for each in (curl, python)
            )
            send(curl, python, checkout)
            every_day(checkout, process, environ, admin)


def every_day(checkout: Path, process: "subprocess.Popen[str]", environ: dict[str, str], admin: str) -> None:
    """Each command of the table; `kill` last, whose effect is in the log."""
    table = TEXT[TEXT.index("## Every day") : TEXT.index("## Legacy clients")]
    commands = re.findall(
        r"`((?:gateway|kill) [^`]+)`",
        "\n".join(line.split("|")[1] for line in table.splitlines() if line.count("|") == 3),
    )
    assert len(commands) == 9
    for command in commands:
        if command.startswith("gateway tail"):
            with running(f"{command} --admin http://{admin}", checkout, "billing", **environ):
                continue
        if command.startswith("kill"):
            run(f"{command} {process.pid}", checkout)
            assert process.stdout is not None
            assert any("configuration unchanged" in line for line in process.stdout)
            continue
        command = command.replace("/2010-04-01/…", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
        command = command.replace("OLD NEW", "gateway.yaml gateway.yaml")
        if not command.startswith(("gateway key", "gateway diff")):
            command += " --config gateway.yaml"
        said = run(command, checkout, **environ)
        assert said
    with urlopen(f"http://{admin}/metrics") as answer:
        assert b"gateway_requests_total" in answer.read()


def _await_ready(admin: str) -> None:
    for _ in range(200):
        try:
            with urlopen(f"http://{admin}/readyz"):
                return
        except URLError:
            time.sleep(0.05)
    pytest.fail("the gateway is not ready")
