"""`gateway check --online`: which keys Twilio takes, which it refuses, which could not be tried."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.__main__ import main
from gateway.upstream.key_probe import REFUSED, UNTRIED, WORKS, judge
from tests.support.running import ACCOUNT_SID, ENVIRON, configuration, consumer
from twilio_simulator import KeyKind, SimulatedKey, Simulator

OTHER = SimulatedKey("SK" + "7a" * 16, "secret-of-a-standard-key", KeyKind.STANDARD)
WRONG = "secret-that-is-not-the-keys"


def write(folder: Path, upstream: str, *secrets: tuple[str, str]) -> Path:
    """A configuration whose credential has these keys."""
    keys: list[Any] = []
    for index, (sid, secret) in enumerate(secrets):
        (folder / f"secret-{index}").write_text(secret)
        keys.append({"sid": sid, "secret": {"file": f"secret-{index}"}})
    settings = configuration(upstream, consumers={"app": consumer()})
    settings["credentials"] = {"main": {"account_sid": ACCOUNT_SID, "keys": keys}}
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


GOOD = (ENVIRON["TWILIO_API_KEY"], ENVIRON["TWILIO_API_SECRET"])


async def check(path: Path, *options: str) -> int:
    """Run the command, off the loop that the simulator needs."""
    return await asyncio.to_thread(main, ["check", "--online", "--config", str(path), *options])


async def test_each_key_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Simulator() as simulator:
        simulator.directory.add_key(ACCOUNT_SID, OTHER)
        path = write(tmp_path, simulator.url, GOOD, (OTHER.sid, OTHER.secret))
        assert await check(path) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line.split() for line in told[1:] if not line.startswith("warning: ")] == [
            ["works", "main", "AC0011…eeff", "SK0011…eeff"],
            ["works", "main", "AC0011…eeff", "SK7a7a…7a7a"],
        ]
        assert {entry.method for entry in simulator.journal} == {"GET"}


async def test_a_key_that_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One works all the same: it is told which; and no secret is."""
    async with Simulator() as simulator:
        path = write(tmp_path, simulator.url, GOOD, (OTHER.sid, WRONG))
        assert await check(path, "--json") == 1
        out = capsys.readouterr().out
        told = json.loads(out)["keys"]
        assert [(each["key"], each["verdict"]) for each in told] == [
            ("SK0011…eeff", WORKS),
            ("SK7a7a…7a7a", REFUSED),
        ]
        assert "401/20003" in told[1]["detail"]
        assert WRONG not in out
        assert GOOD[1] not in out
        assert ACCOUNT_SID not in out


async def test_what_cannot_be_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        path = write(tmp_path, f"http://127.0.0.1:{closed.getsockname()[1]}", GOOD)
        assert await check(path) == 3
    out = capsys.readouterr().out
    assert "not tried" in out
    assert "api.twilio.com: upstream unreachable (refused)" in out


async def test_a_bad_configuration_tries_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("listen: 5")
    assert await check(path) == 2


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (200, 0, WORKS),
        (401, 20003, REFUSED),
        (401, 0, REFUSED),
        (403, 20003, WORKS),
        (404, 20404, REFUSED),
        (429, 20429, UNTRIED),
        (503, 0, UNTRIED),
    ],
)
def test_what_an_answer_says(status: int, code: int, verdict: str) -> None:
    """A restricted key that may not list messages is a good one."""
    assert judge(status, code)[0] == verdict
