"""How `gateway run` ends: as the program that it ran (gateway/client_relay/program.py)."""

import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGRTMIN + 1], ids=["named", "real-time"])
def test_a_signal_that_ended_the_program_ends_this_process(number: int) -> None:
    code = f"from gateway.client_relay.program import end_like; raise SystemExit(end_like({-number}))"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (-number, b"")
