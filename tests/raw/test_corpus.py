"""Larger corpora of requests and answers than `cases/`, each run against a gateway of its own process.

They may be kept beside a checkout (`../shared/corpus`); `conftest.py` collects this file only where they are.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.authority import make_authority, trusting_root
from tests.support.free_ports import free_port
from tests.support.running import KEY, Spawned, consumer, spawned_gateway
from tests.support.tunnel_relay import tunnel_relay

CORPUS = Path(__file__).parents[2] / ".." / "shared" / "corpus"
ACCOUNT_SID = "AC00000000000000000000000000000001"
AUTHORIZATION = "Basic " + b64encode(f"app:{KEY}".encode()).decode()
CREDENTIALS = {
    "main": {
        "account_sid": ACCOUNT_SID,
        "keys": [{"sid": "SK00112233445566778899aabbccddeeff", "secret": {"env": "TWILIO_API_SECRET"}}],
    }
}
PARTS = 4
INSIDE = "api.twilio.com"
WAYS = pytest.mark.parametrize("way", ["plain", "tunnel"])
GET_AND_POST = consumer(allow=["GET api /2010-04-01/**", "POST api /2010-04-01/**"])


@asynccontextmanager
async def recorder(log: Path, *options: str) -> AsyncIterator[str]:
    """The corpus's recorder as the upstream; yields its URL."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CORPUS / "recorder.py"), "--listen", f"127.0.0.1:{port}",
        "--log", str(log), *options, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            assert b"recorder on" in await process.stderr.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.communicate()


async def run(script: str, address: str, log: Path, *options: str) -> tuple[int | None, str]:
    """A runner's exit status, and what it printed but for the cases that passed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CORPUS / script), "--gateway", address,
        "--auth", AUTHORIZATION, "--upstream-log", str(log), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    kept = [line for line in output.decode().splitlines() if not line.startswith("ok")]
    return process.returncode, "\n".join(kept)


@asynccontextmanager
async def reached(gateway: Spawned, pki: Path, way: str) -> AsyncIterator[tuple[str, list[str]]]:
    """The address that a runner calls, plain or inside a tunnel, and its options."""
    if way == "plain":
        yield gateway.url.removeprefix("http://"), []
        return
    async with tunnel_relay(gateway.url.removeprefix("http://"), trusting_root(pki), INSIDE) as address:
        yield address, ["--host", INSIDE]


async def run_part(folder: Path, ids: list[str], way: str) -> tuple[int | None, str]:
    """Some cases of the smuggling corpus, against a gateway and an upstream of their own."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    log = folder / "upstream.jsonl"
    async with (
        recorder(log) as upstream,
        spawned_gateway(folder, upstream, credentials=CREDENTIALS, ca=make_authority(folder)) as gateway,
        reached(gateway, folder, way) as (address, options),
    ):
        only = ("--only", ",".join(ids))
        return await run("run_corpus.py", address, log, "--forbid-auth-upstream", *only, *options)


@WAYS
async def test_smuggling_corpus(tmp_path: Path, way: str) -> None:
    """No ambiguous request reaches the upstream, with a consumer that may do everything."""
    lines = (CORPUS / "smuggling_corpus.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) > 100
    results = await asyncio.gather(
        *(run_part(tmp_path / str(part), ids[part::PARTS], way) for part in range(PARTS))  # mostly waiting
    )
    for status, report in results:
        assert status == 0, report


@WAYS
async def test_policy_corpus(tmp_path: Path, way: str) -> None:
    """A consumer with GET and POST on one account cannot be talked into more."""
    log = tmp_path / "upstream.jsonl"
    cases = str(CORPUS / "policy_corpus.jsonl")
    settings = {"consumers": {"app": GET_AND_POST}, "ca": make_authority(tmp_path)}
    async with (
        recorder(log) as upstream,
        spawned_gateway(tmp_path, upstream, credentials=CREDENTIALS, **settings) as gateway,
        reached(gateway, tmp_path, way) as (address, options),
    ):
        corpus = ("--corpus", cases, *options)
        status, report = await run("run_corpus.py", address, log, "--forbid-auth-upstream", *corpus)
    assert status == 0, report


@WAYS
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_upstream_faults(tmp_path: Path, method: str, way: str) -> None:
    """A broken answer is never taken for a whole one, and no byte reaches anybody else."""
    log = tmp_path / "upstream.jsonl"
    soon = {"deadline_seconds": 5, "idle_seconds": 3}
    settings = {"upstream": soon, "ca": make_authority(tmp_path)}
    async with (
        recorder(log, "--faults") as upstream,
        spawned_gateway(tmp_path, upstream, credentials=CREDENTIALS, **settings) as gateway,
        reached(gateway, tmp_path, way) as (address, _),
    ):
        status, report = await run("run_faults.py", address, log, "--method", method)
    assert status == 0, report
