"""`gateway simulate` as a process: it says where it is, stops on a signal, and explains a taken port."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest

from gateway.commands.simulate import parse_address, read_account
from tests.unit.twilio_simulator.conftest import basic
from twilio_simulator import DEFAULT_ACCOUNT_SID, DEFAULT_API_KEY, DEFAULT_API_SECRET, DEFAULT_AUTH_TOKEN

MAIN = """
import argparse, sys
from gateway.commands import simulate
parser = argparse.ArgumentParser()
simulate.add_parser(parser.add_subparsers())
args = parser.parse_args(sys.argv[1:])
sys.exit(args.run(args))
"""


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", MAIN, "simulate", *arguments]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_runs_until_a_signal(number: signal.Signals) -> None:
    environ = {**os.environ, "TWILIO_API_KEY": "SK" + "5" * 32, "TWILIO_API_SECRET": "from-the-environment"}
    process = await asyncio.create_subprocess_exec(
        *_command("--listen", "127.0.0.1:0", "--concurrency-limit", "3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None
    assert "from-the-environment" not in line
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": basic("SK" + "5" * 32, "from-the-environment")}
        path = f"/2010-04-01/Accounts/{DEFAULT_ACCOUNT_SID}/Messages.json"
        async with session.get(found[0] + path, headers=headers) as response:
            assert response.status == 200
        async with session.get(found[0] + "/-/faults") as response:
            assert (await response.json())["concurrency_limit"] == 3
        process.send_signal(number)
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_taken_port_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *_command("--listen", f"127.0.0.1:{port}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await process.communicate()
    assert (process.returncode, output) == (2, b"")
    assert f"cannot listen on 127.0.0.1:{port}" in errors.decode()
    assert "--listen" in errors.decode()
    assert "Traceback" not in errors.decode()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9101", ("127.0.0.1", 9101)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:80", ("localhost", 80)),
        ("9101", None),
        (":9101", None),
        ("host:port", None),
        ("host:70000", None),
    ],
)
def test_address(text: str, address: tuple[str, int] | None) -> None:
    if address is None:
        with pytest.raises(argparse.ArgumentTypeError):
            parse_address(text)
    else:
        assert parse_address(text) == address


def test_account_defaults_and_overrides() -> None:
    account = read_account({"TWILIO_AUTH_TOKEN": ""}, None)
    assert (account.sid, account.auth_token) == (DEFAULT_ACCOUNT_SID, DEFAULT_AUTH_TOKEN)
    assert (account.keys[0].sid, account.keys[0].secret) == (DEFAULT_API_KEY, DEFAULT_API_SECRET)
    named = read_account({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t"}, "AC2")
    assert (named.sid, named.auth_token) == ("AC2", "t")
