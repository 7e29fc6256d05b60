"""`gateway completion`: the script, run by the shell it is for."""

import subprocess

import pytest

from gateway.__main__ import main
from gateway.commands.command_line import COMMANDS


def test_bash_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    ask = 'COMP_WORDS=(gateway "$@"); COMP_CWORD=$(($# )); _shtab_gateway; printf "%s\\n" "${COMPREPLY[@]}"'

    def complete(*words: str) -> set[str]:
        shell = ["bash", "--norc", "-c", f"{script}\n{ask}", "bash", *words]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=30, check=True)
        return set(done.stdout.split())

    assert complete("") >= COMMANDS.keys()
    assert complete("tail", "--sl") == {"--slug"}
    assert complete("key", "n") == {"new"}


def test_zsh_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert "--follow" in capsys.readouterr().out
