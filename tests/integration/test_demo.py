"""`gateway demo`: what it prints works, and with `--traffic` there is something to see on its page."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.commands.demo_authority import DemoAuthority
from tests.support.free_ports import free_port
from twilio_simulator.demo_traffic import SERVICES


def environ_of_demo() -> dict[str, str]:
    """With ports that nothing else has."""
    return {
        **os.environ,
        "GATEWAY__LISTEN": "127.0.0.1:0",
        "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
        "GATEWAY__UPSTREAM__CONNECT_TO": f"http://127.0.0.1:{free_port()}",
        "GATEWAY__LOG__LEVEL": "error",
    }


@asynccontextmanager
async def demo(*options: str) -> AsyncIterator[asyncio.StreamReader]:
    """Its standard output. It ends with 0 when it is terminated; all within 90 s."""
    command = [sys.executable, "-m", "gateway", "demo", *options]
    process = await asyncio.create_subprocess_exec(
        *command, env=environ_of_demo(), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            yield process.stdout
            process.terminate()
            await process.stdout.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_prints_the_page_first_and_has_traffic() -> None:
    """The page's URL, then the curl line; every service shows up, and some of what they meet."""
    async with demo("--traffic") as output:
        first = (await output.readline()).decode()
        page = re.fullmatch(r"The live page:  (http://127\.0\.0\.1:\d+/)\n", first)
        assert page is not None, first
        text = (await output.readuntil(b"Ctrl+C")).decode()
        assert "curl -u quickstart:gw" in text
        async with aiohttp.ClientSession() as session:
            async with session.get(page[1]) as answer:
                assert "twilio-gateway" in await answer.text()
            seen: dict[str, int] = {}
            while not all(seen.get(name) for name in SERVICES):
                async with session.get(f"{page[1]}api/consumers") as answer:
                    seen = {row["name"]: row["requests"] for row in (await answer.json())["consumers"]}


async def test_an_unmodified_program_reaches_it() -> None:
    """Under the command as it is printed, a program that knows Twilio's address alone sends a message."""
    program = (
        'curl -sS -o /dev/null -w "%{http_code}" -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN" '
        '"https://api.twilio.com/2010-04-01/Accounts/$TWILIO_ACCOUNT_SID/Messages.json" '
        "-d To=%2B15005550006 -d From=%2B15005550001 -d Body=Hello"
    )
    async with demo() as output:
        text = (await output.readuntil(b" COMMAND\n")).decode()
        command = (
            text[text.rindex("unmodified:\n") :].partition("\n")[2].replace("COMMAND", 'sh -c "$PROGRAM"')
        )
        folder = re.findall(r"--ca (\S+)/root\.pem", command)[0]
        running = await asyncio.create_subprocess_shell(
            command, env={**os.environ, "PROGRAM": program}, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await running.communicate()
        assert printed == b"201"
        assert sorted(os.listdir(folder)) == ["ca.key", "ca.pem", "quickstart.key", "root.pem"]
    assert not os.path.exists(folder)  # noqa: ASYNC240 - nothing else runs any more


async def test_the_whole_circle() -> None:
    """A message that arrives is verified, relayed and answered; so are the callbacks of one that is sent.

    The command is run as it is printed (row D7): the program need not be on the PATH.
    """
    async with demo() as output, aiohttp.ClientSession() as session:
        text = (await output.readuntil(b"Body=Hello\n")).decode()
        text += (await output.readuntil(b"Body=Hello\n")).decode() if "inbound" not in text else ""
        page = re.search(r"The live page:  (\S+)", text)
        login = re.search(r"curl -u (\w+):(\S+) (\S+)", text)
        assert page is not None
        assert login is not None
        message = {"To": "+15005550006", "From": "+15005550001", "Body": "Hello"}
        fields = {"Authorization": aiohttp.encode_basic_auth(login[1], login[2])}
        async with session.post(login[3], data=message, headers=fields) as answer:
            assert answer.status == 201
        command = text[text.index("TWILIO_AUTH_TOKEN=") :].replace("\\\n", " ").split()
        given = dict(part.split("=", 1) for part in command[:2])
        sending = await asyncio.create_subprocess_exec(
            *command[2:],
            env={**os.environ, **given},
            stdout=asyncio.subprocess.PIPE,
        )
        answered, _ = await sending.communicate()
        assert sending.returncode == 0
        assert b"You wrote: Hello" in answered
        events: list[dict[str, object]] = []
        while len(events) < 3:  # the message, sent and delivered
            async with session.get(f"{page[1]}api/webhooks") as answer:
                events = (await answer.json())["events"]
        assert {event["outcome"] for event in events} == {"relayed"}


def test_says_what_is_missing_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cryptography there is no CA: the demo works, and says how to get tunnels."""
    monkeypatch.setitem(sys.modules, "gateway.ca.authority_files", None)
    with DemoAuthority("quickstart", "key") as authority:
        assert authority.write([]) == {}
        assert "twilio-gateway[cryptography]" in authority.text("http://127.0.0.1:8080")


def test_there_is_no_ca_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container's root may be read-only, without a /tmp: the demo works there, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with DemoAuthority("quickstart", "key") as authority:
        assert authority.write([]) == {}
        assert "let TMPDIR name a directory" in authority.text("http://127.0.0.1:8080")


def test_the_ca_goes_with_a_demo_that_is_terminated_while_it_starts(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo"],
        env={**environ_of_demo(), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not any(tmp_path.glob("*/quickstart.key")):
            assert process.poll() is None
        process.terminate()
        process.wait(90)
    finally:
        process.kill()
        process.wait()
    assert not any(tmp_path.iterdir())
