"""Two builds of the gateway, the same bytes: answers and what goes upstream, compared to the byte.

`python -m tests.bench.compare_builds OLD_TREE [CORPUS.jsonl …]` starts the gateway of OLD_TREE and that of
this checkout, sends each of them every case on a connection of its own, and prints each difference. Cases are
those of the corpora (lines with `id` and `raw_b64`, how they are sent in `send`) and the mutations below.
Random request ids are left out of the comparison. Ends with 1 if anything differs.
"""

import argparse
import asyncio
import base64
import json
import random
import re
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.processes import ROOT, started_gateway
from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, request
from tests.support.running import ACCOUNT_SID, consumer
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, raw_upstream

_QUIET_SECONDS = 0.15
_RANDOM_ID = re.compile(rb"(X-Request-Id: )[0-9a-f]{32}\r\n", re.IGNORECASE)
_CORPUS_ACCOUNT = b"AC00000000000000000000000000000001"


@dataclass(frozen=True)
class Case:
    """`pieces` are sent one after the other, a turn apart."""

    name: str
    pieces: tuple[bytes, ...]
    half_closes: bool = False


@dataclass
class Outcome:
    """What a caller received, how its connection ended, and the requests that reached the upstream."""

    received: bytes = b""
    ended: str = "open"
    upstream: list[tuple[bytes, bytes]] = field(default_factory=list)


def corpus_cases(path: Path) -> Iterator[Case]:
    """The cases of one corpus, placeholders filled in."""
    for line in path.read_text("utf-8").splitlines():
        case = json.loads(line)
        raw = base64.b64decode(case["raw_b64"])
        raw = raw.replace(b"{HOST}", b"gateway.test").replace(b"{AUTH}", AUTHORIZATION.encode())
        raw = raw.replace(_CORPUS_ACCOUNT, ACCOUNT_SID.encode())
        send = case.get("send", {})
        size = send.get("split") or send.get("pause_after") or len(raw)
        yield Case(
            f"{path.stem}/{case['id']}",
            tuple(raw[at : at + size] for at in range(0, len(raw), size)),
            bool(send.get("half_close")),
        )


def mutations(count: int, seed: int) -> Iterator[Case]:
    """Well-formed requests, alone, pipelined and with a few bytes cut out, put in or doubled."""
    rng = random.Random(seed)
    chunked = b"4\r\nTo=1\r\n5;a=b\r\n&Bo=x\r\n0\r\nX-T: 1\r\n\r\n"
    whole = [
        request(f"GET {MESSAGES}"),
        request(f"GET {MESSAGES}", version="1.0"),
        request(f"GET {MESSAGES}", "Connection: keep-alive", version="1.0"),
        request(f"POST {MESSAGES}", FORM, body=b"To=%2B1&Body=x"),
        request(f"POST {MESSAGES}", FORM, "Expect: 100-continue", body=b"To=%2B1"),
        request(f"POST {MESSAGES}", FORM, "Transfer-Encoding: chunked", body=chunked),
        request(f"HEAD {MESSAGES}"),
        request(f"DELETE {MESSAGES}"),
        request(f"GET {MESSAGES}", "Connection: close"),
        request(f"GET {MESSAGES}", auth=None),
    ]
    parts = [
        b"\r\n",
        b"\n",
        b":",
        b" ",
        b"\x00",
        b"0",
        b"f",
        b";",
        b"\xff",
        b"%2e",
        b"Host: b\r\n",
        b"A" * 9000,
    ]
    for number in range(count):
        data = b"".join(rng.choices(whole, k=rng.choice((1, 1, 2, 3))))
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(len(data))
            data = (
                data[:at]
                + rng.choice((b"", rng.choice(parts), data[at : at + 3] * 2))
                + data[at + rng.randrange(4) :]
            )
        cut = rng.randrange(1, len(data))
        yield Case(f"mutation/{number}", (data[:cut], data[cut:]) if rng.random() < 0.5 else (data,))


async def answer_all(connection: ScriptedConnection) -> None:
    """`{}`, or the head of it."""
    await connection.send(answer(b"{}")[: -2 if connection.received.line.startswith("HEAD ") else None])


async def play(port: int, upstream: RawUpstream, case: Case, patience: float = 1) -> Outcome:
    """Send a case, and wait until nothing more comes."""
    before = len(upstream.received)
    outcome = Outcome()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):
            for piece in case.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if case.half_closes:
                writer.write_eof()
        while True:
            async with asyncio.timeout(patience * (_QUIET_SECONDS if outcome.received else 1.5)):
                piece = await reader.read(65_536)
            if not piece:
                outcome.ended = "closed"
                break
            outcome.received += piece
    except TimeoutError:
        pass
    except ConnectionError:
        outcome.ended = "closed"  # whether by a reset depends on what was still under way
    finally:
        writer.transport.abort()
    outcome.received = _RANDOM_ID.sub(rb"\1<random>\r\n", outcome.received)
    outcome.upstream = [(each.head, each.raw_body) for each in upstream.received[before:]]
    return outcome


def describe(outcome: Outcome) -> str:
    """One line for a report."""
    return (
        f"{outcome.ended} {outcome.received[:400]!r} upstream={[head[:80] for head, _ in outcome.upstream]}"
    )


async def compare(old: Path, cases: list[Case]) -> int:
    """The number of cases in which the builds differ."""
    callers: dict[str, Any] = {"header_bytes": 8192, "headers_max": 64, "body_seconds": 1, "idle_seconds": 5}
    differing = 0
    async with AsyncExitStack() as stack:
        running: list[tuple[int, RawUpstream]] = []
        gateways = stack.enter_context(ExitStack())
        for tree in (old, ROOT):
            upstream = await stack.enter_async_context(raw_upstream())
            upstream.otherwise = answer_all
            folder = Path(gateways.enter_context(TemporaryDirectory()))
            started = gateways.enter_context(
                started_gateway(
                    None,
                    upstream.url,
                    folder,
                    tree,
                    callers=callers,
                    consumers={"app": consumer()},
                    drain_seconds=1,
                )
            )
            running.append((int(started.url.rpartition(":")[2]), upstream))
        for case in cases:
            before, after = await asyncio.gather(*(play(port, upstream, case) for port, upstream in running))
            if before != after:  # seen again with time to spare, or it was the machine's doing
                before, after = await asyncio.gather(
                    *(play(port, upstream, case, 5) for port, upstream in running)
                )
            if before != after:
                differing += 1
                print(f"{case.name}: {b''.join(case.pieces)[:300]!r}")
                print(f"  old {describe(before)}\n  new {describe(after)}")
    return differing


def main() -> int:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, metavar="OLD_TREE")
    parser.add_argument("corpora", type=Path, nargs="*", metavar="CORPUS.jsonl")
    parser.add_argument("--mutations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cases = [case for corpus in given.corpora for case in corpus_cases(corpus)]
    cases += mutations(given.mutations, given.seed)
    differing = asyncio.run(compare(given.old.resolve(), cases))
    print(f"{len(cases)} cases, {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
