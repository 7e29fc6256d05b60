"""`gateway demo`: what it prints works, and with `--traffic` there is something to see on its page."""

import asyncio
import os
import re
import socket
import sys

import aiohttp

from twilio_simulator.demo_traffic import SERVICES


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_prints_the_page_first_and_has_traffic() -> None:
    """The page's URL, then the curl line; every service shows up, and some of what they meet."""
    environ = {
        "GATEWAY__LISTEN": "127.0.0.1:0",
        "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
        "GATEWAY__UPSTREAM__CONNECT_TO": f"http://127.0.0.1:{free_port()}",
        "GATEWAY__LOG__LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "demo", "--traffic",
        env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            first = (await process.stdout.readline()).decode()
            page = re.fullmatch(r"The live page:  (http://127\.0\.0\.1:\d+/)\n", first)
            assert page is not None, first
            text = (await process.stdout.readuntil(b"Ctrl+C")).decode()
            assert "curl -u quickstart:gw_" in text
            async with aiohttp.ClientSession() as session:
                async with session.get(page[1]) as answer:
                    assert "twilio-gateway" in await answer.text()
                seen: dict[str, int] = {}
                while not all(seen.get(name) for name in SERVICES):
                    async with session.get(f"{page[1]}api/consumers") as answer:
                        seen = {row["name"]: row["requests"] for row in (await answer.json())["consumers"]}
            process.terminate()
            await process.stdout.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
