"""The command line as a whole: what it lists, how it refuses; as a real process, that its help is fast."""

import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

import gateway.commands
from gateway import __version__
from gateway.__main__ import main
from gateway.build_info import build_kind
from gateway.commands.command_line import COMMANDS
from tests.support.command import run_command

HEAVY = ["aiohttp", "pydantic", "uvloop", "twilio_simulator", "gateway.twilio.catalogue"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_every_command_is_listed() -> None:
    modules = (module.name for module in pkgutil.iter_modules(gateway.commands.__path__))
    commands = {
        name.replace("_", "-")
        for name in modules
        if hasattr(importlib.import_module(f"gateway.commands.{name}"), "add_parser")
    }
    assert commands == set(COMMANDS)


def test_help_version_and_wrong_usage_of_a_process() -> None:
    help_text = _run("--help").stdout
    assert all(re.search(rf"\n    {name}\s", help_text) for name in COMMANDS)
    wrong = _run("chek")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == run_command("chek")
    assert _run("--version").stdout == f"gateway {__version__} ({build_kind()})\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = run_command(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: gateway {command} ")


@pytest.mark.parametrize(
    "arguments", [(), ("chek",), ("check", "--fast"), ("key",), ("key", "new"), ("schema", "x")]
)
def test_wrong_usage_says_how_to_go_on(arguments: tuple[str, ...]) -> None:
    done = run_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: gateway")
    assert " --help`\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("chek",), "check"), (("serv",), "serve"), (("key", "nwe"), "new"), (("zzz",), "")],
)
def test_d8_a_misspelt_command_is_recognised(arguments: tuple[str, ...], meant: str) -> None:
    said = run_command(*arguments).stderr
    assert (f"did you mean `{meant}`" in said) is bool(meant)
    assert ("did you mean" in said) is bool(meant)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "--help"], ["key", "--help"], ["schema", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from gateway.__main__ import main
try:
    main({arguments})
except SystemExit:
    print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.endswith("\n[]\n")


def test_a_reader_that_has_enough() -> None:
    """`gateway schema | head` is no error of ours."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("chek", "no command is called 'chek'; did you mean `check`?"),
        ("CHECK", "no command is called 'CHECK'; did you mean `check`?"),
        ("help", "no command is called 'help'; did you mean `--help`?"),
        ("version", "did you mean `--version`?"),
        ("frobnicate", "called 'frobnicate'; see"),
    ],
)
def test_d8_a_command_that_is_none(given: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([given, "--config", "x"])
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err
