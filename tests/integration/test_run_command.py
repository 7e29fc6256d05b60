"""`gateway run` as a process: terminal, signals and exit code are the program's; nothing is left behind."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.ca.certificate_authority import make_root, to_pem
from tests.support.running import ENVIRON, configuration

CANARY = "gwCanaryOfARunThatNobodyMaySee0123456789abcde"
TOKEN = "0123456789abcdef0123456789abcdef"
_SECONDS = 180

SIGNALS = """
import os, signal, sys
seen, (reading, writing) = [], os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
for name in sys.argv[1:] or ("SIGUSR1", "SIGINT"):
    signal.signal(getattr(signal, name), lambda number, frame: seen.append(signal.Signals(number).name))
print("ready", *([os.getpid()] if sys.argv[1:] else []), flush=True)
for line in sys.stdin:
    while line.strip() not in seen:
        os.read(reading, 1)  # unlike pause(), it sees a signal that came a moment before
    print(*seen, flush=True)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a root and a key."""
    (tmp_path / "root.pem").write_bytes(to_pem(make_root(datetime.now(UTC)).certificate))
    (tmp_path / "key").write_text(CANARY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def _command(files: Path, program: Sequence[str], *options: str) -> list[str]:
    where = options or ("--gateway", "http://127.0.0.1:1", "--ca", str(files / "root.pem"))
    login = ("--consumer", "billing", "--key-file", str(files / "key"))
    return [sys.executable, "-m", "gateway", "run", *where, *login, "--", *program]


def _environ(files: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TMPDIR": str(files / "tmp"), **more}


def _run(files: Path, *program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(files, program),
        env=_environ(files, **environ),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _python(files: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return _run(files, sys.executable, "-c", code, **environ)


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_programs(files: Path, code: int) -> None:
    done = _python(files, f"raise SystemExit({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_the_signal_that_ended_it_too(files: Path, number: signal.Signals) -> None:
    done = _python(files, f"import os; os.kill(os.getpid(), {number.value})")
    assert done.returncode == -number
    assert list((files / "tmp").iterdir()) == []


def test_input_and_output_are_the_programs(files: Path) -> None:
    done = subprocess.run(
        _command(files, ["sh", "-c", "cat; echo wrong >&2"]),
        env=_environ(files),
        input=b"a" * 200_000,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a" * 200_000, b"wrong\n")


def test_files_are_private_and_go_with_it(files: Path) -> None:
    done = _python(
        files,
        "import os; path = os.path.dirname(os.environ['SSL_CERT_FILE']);"
        "print(path, oct(os.stat(path).st_mode), sorted(os.listdir(path)))",
    )
    path, mode, _ = done.stdout.split(" ", 2)
    assert path.startswith(str(files / "tmp"))
    assert stat.S_IMODE(int(mode, 8)) == 0o700
    assert "java.p12" in done.stdout
    assert list((files / "tmp").iterdir()) == []


_LOOK = """
import json, os, pathlib
looked = {"environ": dict(os.environ), "files": {}, "processes": []}
folder = pathlib.Path(os.environ["SSL_CERT_FILE"]).parent
for path in folder.rglob("*"):
    if path.is_file():
        looked["files"][path.name] = path.read_bytes().decode("latin-1")
for pid in (os.getpid(), os.getppid()):
    for name in ("cmdline", "environ"):
        looked["processes"].append(pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode("latin-1"))
print(json.dumps(looked))
"""


def test_the_key_is_nowhere_that_a_program_could_see(files: Path) -> None:
    """Neither are the real secrets of Twilio's, by whatever name."""
    done = _python(
        files, _LOOK, TWILIO_AUTH_TOKEN=TOKEN, COPY=f"token={TOKEN}", TWILIO_ACCOUNT_SID="AC" + "ab" * 16,
        MY_KEY=CANARY, TWILIO_REGION="ie1", TWILIO_EDGE="dublin",
    )  # fmt: skip
    looked: dict[str, Any] = json.loads(done.stdout)
    environ = looked["environ"]
    assert CANARY not in json.dumps({**looked, "processes": looked["processes"][:3]}) + done.stderr
    assert TOKEN not in json.dumps([environ, looked["files"]])
    assert environ["TWILIO_ACCOUNT_SID"] == "AC" + "0" * 32
    assert not environ.keys() & {"TWILIO_REGION", "TWILIO_EDGE", "MY_KEY", "COPY"}
    assert "@" not in environ["HTTPS_PROXY"]
    assert CANARY not in looked["processes"][2], "not among the arguments of `gateway run` either"


ORDERS = (
    "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT", "SIGQUIT",
    "SIGWINCH", "SIGALRM", "SIGTTIN", "SIGTTOU", "SIGABRT", "SIGRTMIN",
)  # fmt: skip
"""Each is an order to some server: SIGTTIN and SIGTTOU change gunicorn's number of workers."""


def test_signals_are_sent_on(files: Path) -> None:
    """One by one, and then the program stops and goes on with `gateway run`."""
    with subprocess.Popen(
        _command(files, [sys.executable, "-c", SIGNALS, *ORDERS]),
        env=_environ(files),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # one that a shell could continue: the kernel stops no other
    ) as process:
        # One that stops by itself would never answer, nor would its program, which is of the same group.
        watchdog = threading.Timer(_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        assert process.stdin is not None
        assert process.stdout is not None
        ready, pid = process.stdout.readline().split()
        assert ready == "ready"
        for number, name in enumerate(ORDERS):
            process.send_signal(signal.Signals[name])
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            assert process.stdout.readline().split() == list(ORDERS[: number + 1])
        process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "T":
            os.sched_yield()
        process.send_signal(signal.SIGCONT)
        process.stdin.close()
        assert process.wait(_SECONDS) == 0
        watchdog.cancel()


QUIET_TERMINAL = """
import sys, termios
assert sys.stdin.isatty() and sys.stdout.isatty()
modes = termios.tcgetattr(0)
modes[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, modes)
"""


def test_a_terminal_is_the_programs_and_its_signals_come_once(files: Path) -> None:
    """Ctrl-C reaches both, because both are in the foreground: the program must not get it twice.

    Had it been sent on, it would have come before the signal that is sent to `gateway run` afterwards.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        command = _command(files, [sys.executable, "-c", QUIET_TERMINAL + SIGNALS])
        os.execve(sys.executable, command, _environ(files))
    with open(terminal, "r+b", buffering=0) as typed:
        lines = _lines(typed.fileno())
        assert next(lines) == "ready"
        typed.write(b"\x03")
        typed.write(b"SIGINT\n")
        assert next(lines) == "SIGINT"
        os.kill(pid, signal.SIGUSR1)
        typed.write(b"SIGUSR1\n")
        assert next(lines) == "SIGINT SIGUSR1"
        typed.write(b"\x04")
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def _lines(terminal: int) -> Any:
    kept = b""
    while True:
        while b"\n" not in kept:
            kept += os.read(terminal, 4096)
        line, _, kept = kept.partition(b"\n")
        yield line.decode().strip()


@pytest.mark.parametrize(("program", "code"), [("no-such-program-anywhere", 127), ("/", 126)])
def test_a_program_that_cannot_be_started(files: Path, program: str, code: int) -> None:
    done = _run(files, program)
    assert done.returncode == code
    assert done.stderr.startswith(f"gateway run: {program}: ")
    assert list((files / "tmp").iterdir()) == []


def _refused(files: Path, *arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", *arguments],
        env=_environ(files, **environ), capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    return done.stderr


def test_what_is_wrong_is_said(files: Path) -> None:
    root, key = str(files / "root.pem"), str(files / "key")
    config = files / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", listen="127.0.0.1:8080")))
    there = ("--gateway", "http://127.0.0.1:1", "--ca", root, "--consumer", "billing")
    rest = ("--consumer", "app", "--key-file", key, "--", "true")
    assert "no program is named" in _refused(files, *there, "--key-file", key)
    for name in ("bil:ling", ""):
        other = (*there[:-1], name, "--key-file", key, "--", "true")
        assert "--consumer: is no consumer's name" in _refused(files, *other)
    assert "missing: cannot be read" in _refused(
        files, *there, "--key-file", str(files / "missing"), "--", "true"
    )
    assert "needs --ca FILE" in _refused(files, "--gateway", "http://gateway", *rest)
    assert "write http://HOST:PORT" in _refused(files, "--gateway", "gateway:8080", "--ca", root, *rest)
    assert "is no root.pem" in _refused(files, "--gateway", "http://gateway", "--ca", key, *rest)
    assert "gateway ca init" in _refused(files, "--config", str(config), *rest, **ENVIRON)
    unknown = ("--consumer", "apq", *rest[2:])
    assert "no consumer has this name" in _refused(files, "--config", str(config), *unknown, **ENVIRON)
    told = _refused(files, *there, "--key-file", key, "--", "true", https_proxy="socks5://proxy:1080")
    assert "https_proxy names a proxy that is not http" in told


def test_a_key_that_others_may_read_is_warned_of(files: Path) -> None:
    (files / "key").chmod(0o644)
    done = _run(files, "true")
    assert (done.returncode, done.stdout) == (0, "")
    assert "chmod 600" in done.stderr
