"""`gateway tail` as a process: what it prints, how it follows, and what it says when it cannot."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import ENVIRON, Running, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream, reply

ROUTE = "/2010-04-01/Accounts/{AccountSid}/Messages"


@asynccontextmanager
async def tail(*arguments: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, ended if it does not end itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "tail", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environ},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run_tail(*arguments: str, **environ: str) -> tuple[int | None, list[str], str]:
    """Exit code, lines printed, and what was said on standard error."""
    async with asyncio.timeout(120), tail(*arguments, **environ) as process:
        out, err = await process.communicate()
        return process.returncode, out.decode().splitlines(), err.decode()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """The next line it prints."""
    assert process.stdout is not None
    async with asyncio.timeout(120):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def send(gateway: Running, name: str) -> None:
    """A read with this request id."""
    await ask(gateway.port, request(f"GET {MESSAGES}", f"X-Request-Id: {name}"))


async def test_a_readable_table(gateway: Running, upstream: RawUpstream) -> None:
    """The newest last; titles over the columns; no colours when it is no terminal."""
    upstream.then(reply(b'{"code": 21211}', status="400 Bad Request"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, "X-Request-Id: first", body=b"To=1"))
    await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: second", auth="Bearer nobody-knows-it"))
    code, (titles, first, second), err = await run_tail("--admin", gateway.admin_url)
    assert (code, err) == (0, "")
    assert titles.split()[:5] == ["TIME", "CODE", "CONSUMER", "METHOD", "ROUTE"]
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d{{3}} +400 +app +POST +api {re.escape(ROUTE)} +[\d.]+ ms +- +1 +21211 +first",
        first,
    )
    assert re.fullmatch(r"\S+ +401 +\(unknown\) +- +- +[\d.]+ ms +- +- +unknown_consumer +second", second)
    assert titles.index("REQUEST ID") == first.index("first") == second.index("second")


async def test_filters_and_json(gateway: Running) -> None:
    """As the API has it, one object per line."""
    for name in ("one", "two", "three"):
        await send(gateway, name)
    arguments = ("--admin", gateway.admin_url, "--json")
    for more, names in (
        (("--request-id", "two"), ["two"]),
        (("--limit", "2", "--consumer", "app"), ["two", "three"]),
        (("--route", "messages", "--status", "200"), ["one", "two", "three"]),
    ):
        code, lines, _ = await run_tail(*arguments, *more)
        assert (code, [json.loads(line)["request_id"] for line in lines]) == (0, names)
    assert (await run_tail(*arguments, "--status", "5xx")) == (
        0,
        [],
        "No exchange among the latest matches.\n",
    )


async def test_follows_without_gaps_or_repeats(gateway: Running) -> None:
    """More in a second than an event takes, too; Ctrl+C ends it without a word."""
    await send(gateway, "before")
    async with tail("--admin", gateway.admin_url, "--follow", "--json") as process:
        assert json.loads(await line_of(process))["request_id"] == "before"
        names = [f"r{number}" for number in range(120)]
        for name in names:
            await send(gateway, name)
        assert [json.loads(await line_of(process))["request_id"] for _ in names] == names
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 180)
        assert (process.returncode, out, err) == (130, b"", b"")


async def test_follows_over_a_restart(tmp_path: Path, upstream: RawUpstream) -> None:
    """It says that the gateway is away, and goes on with the next one on that port."""
    async with spawned_gateway(tmp_path, upstream.url) as first:
        admin, port = first.admin_url, first.admin_url.rpartition(":")[2]
        async with tail("--admin", admin, "--follow", "--json") as process:
            await ask(int(first.url.rpartition(":")[2]), request(f"GET {MESSAGES}", "X-Request-Id: old"))
            assert json.loads(await line_of(process))["request_id"] == "old"
            first.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(first.process.wait(), 180) == 0
            again = {"listen": f"127.0.0.1:{port}"}
            async with spawned_gateway(tmp_path, upstream.url, admin=again) as second:
                await ask(int(second.url.rpartition(":")[2]), request(f"GET {MESSAGES}", "X-Request-Id: new"))
                assert json.loads(await line_of(process))["request_id"] == "new"
                process.send_signal(signal.SIGINT)
                out, err = await asyncio.wait_for(process.communicate(), 180)
    assert (process.returncode, out) == (130, b"")
    away, back = err.decode().splitlines()
    assert away.startswith("gateway tail: ")
    assert away.endswith("; trying again")
    assert back == "gateway tail: connected again"


async def test_says_what_is_wrong(gateway: Running) -> None:
    """In one line that says what to do."""
    for arguments, code, text in (
        (("--admin", "http://127.0.0.1:9"), 1, "no gateway answers at http://127.0.0.1:9"),
        (("--admin", "127.0.0.1:9090"), 2, "--admin is a URL like http://127.0.0.1:9090"),
        (("--admin", "http://127.0.0.1:99999"), 2, "a port that is none"),
        (("--admin", gateway.url), 1, "is that a gateway's admin port?"),
        (("--admin", gateway.admin_url, "--status", "6xx"), 2, "status is a number like 404"),
        (("--admin", gateway.admin_url, "--limit", "0"), 2, "limit is a number from 1 to 2000"),
    ):
        found, lines, err = await run_tail(*arguments)
        assert (found, lines) == (code, [])
        assert text in err
        assert err.count("\n") == 1


async def test_shows_a_token(upstream: RawUpstream) -> None:
    """From the environment only, and never printed."""
    token = "page-token-0123456789abcdef"
    admin = {"listen": "127.0.0.1:0", "page_token": {"env": "PAGE"}}
    async with running_gateway(upstream.url, ENVIRON | {"PAGE": token}, admin=admin) as gateway:
        await send(gateway, "seen")
        arguments = ("--admin", gateway.admin_url, "--token-env", "T")
        code, lines, err = await run_tail(*arguments, T="")
        assert (code, lines) == (1, [])
        assert "put the value of its `admin.page_token` into T" in err
        code, lines, err = await run_tail(*arguments, T="a-wrong-token-0123456789")
        assert (code, lines, err) == (
            1,
            [],
            "gateway tail: the token in T is not the gateway's `admin.page_token`\n",
        )
        code, lines, err = await run_tail(*arguments, T=token)
        assert (code, len(lines), err) == (0, 2, "")


@pytest.mark.parametrize("arguments", [("--follow", "--json"), ("--json",)])
async def test_a_closed_pipe_is_no_fault(gateway: Running, arguments: tuple[str, ...]) -> None:
    """`gateway tail | head -1`."""
    await send(gateway, "x")
    command = [sys.executable, "-m", "gateway", "tail", "--admin", gateway.admin_url, *arguments]
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(*command, stdout=writing, stderr=asyncio.subprocess.PIPE)
    os.close(writing)
    _, err = await asyncio.wait_for(process.communicate(), 180)
    assert (process.returncode, err) == (1, b"")
