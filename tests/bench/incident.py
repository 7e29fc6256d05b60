"""Logs of an incident: the stolen key of one consumer among many, used from an address of its own.

A real gateway writes them: requests come over sockets, the thief's from another address of the loopback net.
`python -m tests.bench.incident --exchanges 200000 --folder /tmp/incident` writes gateway.log and the truth,
and runs the commands of docs/incident.md on it.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from gateway.app.auditing import HeadReports, begin_audit, end_audit
from gateway.app.configuration import make_configuration
from gateway.app.gateway import Gateway
from gateway.config.loading.resolve import load_resolved
from gateway.observe.log.line_writer import LineWriter
from tests.support.caller import FORM, MESSAGES, RawCaller, request
from tests.support.running import ENVIRON, configuration, consumer
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, raw_upstream

CONSUMERS = 40
THIEF = "127.0.0.66"
SERVICE = "127.0.0.1"
_SDKS = ("twilio-python/9.13.0", "twilio-go/1.30.9", "twilio-java/11.0.0")
_DOCUMENT = Path(__file__).parents[2] / "docs/incident.md"


@dataclass
class Truth:
    """What the thief did."""

    key: str
    consumer: str
    rule: str
    address: str = THIEF
    created: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    refused: int = 0
    guesses: int = 0
    stopped: int = 0
    """Requests that it sent after the consumer was stopped."""
    service_uses: int = 0
    """How often the consumer itself used the key."""


def _key_of(number: int) -> str:
    return f"gw_incident-key-of-service-{number:02d}-0123456789"


def _send(number: int, line: str, body: bytes = b"", key: str = "") -> bytes:
    token = base64.b64encode(f"service-{number:02d}:{key or _key_of(number)}".encode()).decode()
    fields = (FORM,) if body else ()
    sdk = f"User-Agent: {_SDKS[number % len(_SDKS)]} (Linux)"
    return request(line, *fields, sdk, body=body, auth=f"Basic {token}")


class _Twilio:
    """Answers creates with SIDs of its own, anything else with `{}`."""

    def __init__(self) -> None:
        self._made = 0

    async def act(self, connection: ScriptedConnection) -> None:
        if not connection.received.line.startswith("POST"):
            await connection.send(answer(b"{}"))
            return
        self._made += 1
        sid = "SM" + hashlib.md5(b"%d" % self._made, usedforsecurity=False).hexdigest()
        await connection.send(answer(b'{"body": "x", "sid": "%b"}' % sid.encode(), status="201 Created"))


async def _connect(stack: AsyncExitStack, port: int, address: str) -> RawCaller:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    stack.callback(writer.close)
    return RawCaller(reader, writer)


async def _work(port: int, number: int, exchanges: int, truth: Truth) -> None:
    """A service at its daily work: messages, and reads of its own."""
    async with AsyncExitStack() as stack:
        caller = await _connect(stack, port, SERVICE)
        for index in range(exchanges):
            if index % 4:
                await caller.send(_send(number, f"GET {MESSAGES}"))
                await caller.answer()
            else:
                body = b"To=%%2B1500%02d%06d&Body=hello" % (number, index)
                await caller.send(_send(number, f"POST {MESSAGES}", body))
                await caller.answer("POST")
            if f"service-{number:02d}" == truth.consumer:
                truth.service_uses += 1


async def _steal(port: int, number: int, exchanges: int, truth: Truth) -> None:
    """The thief: sends, reads what it has sent, tries what is refused, and guesses keys of others."""
    chance = random.Random(7)
    async with AsyncExitStack() as stack:
        caller = await _connect(stack, port, THIEF)
        for index in range(exchanges):
            kind = index % 5
            if kind < 2:
                body = b"To=%%2B882%08d&Body=spam" % index
                await caller.send(_send(number, f"POST {MESSAGES}", body))
                truth.created.append(json.loads((await caller.answer("POST")).body)["sid"])
            elif kind == 2:
                sid = chance.choice(truth.created)
                truth.read.append(sid)
                await caller.send(_send(number, f"GET {MESSAGES.replace('.json', f'/{sid}.json')}"))
                await caller.answer()
            elif kind == 3:
                truth.refused += 1
                await caller.send(_send(number, "GET /2010-04-01/Accounts.json"))
                await caller.answer()
            elif truth.guesses < 5:  # more would be throttled, which is another story
                truth.guesses += 1
                await caller.send(_send(index % CONSUMERS, f"GET {MESSAGES}", key=f"guess-number-{index}"))
                await caller.answer()
                caller = await _connect(stack, port, THIEF)


async def play(folder: Path, exchanges: int, schema: str = "plain") -> Truth:
    """Write gateway.log.1 and gateway.log into the folder."""
    stolen = 23
    key = hashlib.sha256(_key_of(stolen).encode()).hexdigest()[:8]
    rule = "GET api /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}"
    truth = Truth(key, f"service-{stolen:02d}", "messages:send")
    allow = ["messages:send", rule, "GET api /2010-04-01/Accounts/{AccountSid}/Messages"]
    consumers = {
        f"service-{number:02d}": consumer(_key_of(number), allow=allow) for number in range(CONSUMERS)
    }
    share = max(5, exchanges // 50)
    each = max(2, (exchanges - share) // CONSUMERS // 2)
    async with raw_upstream() as upstream:
        upstream.otherwise = _Twilio().act
        for name in ("gateway.log.1", "gateway.log"):  # as after a rotation, with a restart between
            await _run(folder, name, upstream, consumers, schema, (stolen, each, share // 2, truth))
            upstream.received.clear()
    return truth


async def _run(
    folder: Path,
    name: str,
    upstream: RawUpstream,
    consumers: Mapping[str, object],
    schema: str,
    work: tuple[int, int, int, Truth],
) -> None:
    stolen, each, share, truth = work
    settings = configuration(
        upstream.url, consumers=consumers, log={"format": "json", "schema": schema},
        callers={"connections_per_address": 1000},
        audit={"file": "audit.log", "key": {"file": "audit.key"}},
    )  # fmt: skip
    (folder / "audit.key").write_text("an-audit-key-of-32-characters-or-more")
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(settings))
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    writer = LineWriter(descriptor, max_bytes=1 << 30)
    made = make_configuration(load_resolved(config, ENVIRON))
    gateway = Gateway(made, writer)
    await gateway.start()
    heads = HeadReports(gateway.auditor, gateway.observers, None)
    await begin_audit(gateway.auditor, config, made)
    heads.start(gateway.loops)
    port = int(gateway.url.rpartition(":")[2])
    await asyncio.gather(
        *(_work(port, number, each, truth) for number in range(CONSUMERS)),
        _steal(port, stolen, share, truth),
    )
    if name == "gateway.log":
        await _stop(gateway, folder, port, stolen, truth)
    await gateway.drain()
    await end_audit(gateway.auditor, heads, forced=False)
    await gateway.stop()
    writer.close()
    os.close(descriptor)


async def _stop(gateway: Gateway, folder: Path, port: int, stolen: int, truth: Truth) -> None:
    """By the documented command, while the thief goes on."""
    command = f"{documented_commands()[0]} --admin {gateway.admin_url}"
    await asyncio.to_thread(ask_logs, command, folder, truth)
    async with AsyncExitStack() as stack:
        caller = await _connect(stack, port, THIEF)
        await caller.send(_send(stolen, f"POST {MESSAGES}", b"To=%2B88200000000&Body=more"))
        if (await caller.answer("POST")).status == 403:
            truth.stopped += 1


def documented_commands() -> list[str]:
    """The commands of docs/incident.md, in order: the first stops the consumer, the others ask logs."""
    blocks = re.findall(r"```sh\n(.*?)```", _DOCUMENT.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def ask_logs(command: str, folder: Path, truth: Truth) -> list[str]:
    """What a documented command prints, line by line, with this incident's values."""
    folder_of_python = str(Path(sys.executable).parent)
    variables = {
        "LOGS": "gateway.log.1 gateway.log",
        "SID": truth.created[-1],
        "KEY": truth.key,
        "CONSUMER": truth.consumer,
        "ADDRESS": truth.address,
        "PATH": f"{folder_of_python}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout.splitlines()


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--schema", default="plain")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    truth = await play(args.folder, args.exchanges, args.schema)
    (args.folder / "truth.json").write_text(json.dumps(asdict(truth), indent=2))
    print(f"written in {time.perf_counter() - began:.0f} s")
    print(f"{sum(path.stat().st_size for path in args.folder.glob('gateway.log*')) / 1e6:.0f} MB of logs")
    for command in documented_commands()[1:]:
        began = time.perf_counter()
        found = ask_logs(command, args.folder, truth)
        print(f"{time.perf_counter() - began:5.1f} s  {len(found):6} lines  {command}")


if __name__ == "__main__":
    asyncio.run(_main())
