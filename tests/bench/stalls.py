"""How long one request keeps the event loop from all others, by bodies, heads and answers made to take long.

`python -m tests.bench.stalls [--build plain|compiled] [--case NAME]`. A gateway runs beside a callback that
is called in every turn of its loop; caller and upstream are another process. Printed is the CPU time of the
longest turn, which a busy machine hardly changes; a turn may do more than one thing. Beside it stands that of
the longest single piece of Twilio's answer: one read, up to the write to the caller. Each case is sent three
times, all different, and the least of them counts: one of them may be a garbage collection or an import.
"""

import argparse
import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import uvloop

from tests.bench.processes import ROOT
from tests.bench.read_pieces import Pieces
from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.compiled_tree import compiled_tree
from tests.support.running import ACCOUNT_SID, KEY, consumer, running_gateway
from tests.support.upstream import raw_upstream, reply

_MIB = 1 << 20
_ROUNDS = 3
_JSON = "Content-Type: application/json"
_PREFIXED = "GET /verify/v2/Services"
_RULES = {
    "from": ["+15557122661"],
    "to": ["+1"],
    "callback_hosts": ["a.test"],
    "unknown_parameters": "report",
}


class Case(NamedTuple):
    """One request, and what Twilio answers it."""

    request: bytes
    answer: bytes = b"{}"
    fields: tuple[str, ...] = ()


def _form(body: bytes, *fields: str) -> bytes:
    return request(
        f"POST {MESSAGES}", *(fields or (FORM,)), body=b"To=%2B15558675310&From=%2B15557122661&" + body
    )


def _filled(pattern: bytes, size: int = _MIB - 64) -> bytes:
    return pattern * (size // len(pattern))


def _multipart(parts: int, each: bytes) -> bytes:
    one = b'--b\r\nContent-Disposition: form-data; name="Body"\r\n\r\n' + each + b"\r\n"
    return one * parts + b"--b--\r\n"


def _post(content_type: str, body: bytes) -> bytes:
    return request(f"POST {MESSAGES}", f"Content-Type: {content_type}", body=body)


def _functions(body: bytes) -> bytes:
    """A route that takes JSON."""
    return request("POST /conversations/v2/ControlPlane/Operations", _JSON, body=body)


def cases(number: int) -> Iterator[tuple[str, Case]]:
    """All of them, each round with other bytes."""
    salt = b"%d" % number
    yield "small form", Case(_form(b"Body=" + salt))
    yield "form of 1 MiB, letters", Case(_form(b"Body=" + salt + _filled(b"x")))
    yield "form of 1 MiB, %2B", Case(_form(b"Body=" + salt + _filled(b"%2B")))
    yield "form of 1 MiB, %25 %2B", Case(_form(b"Body=" + salt + _filled(b"%25%2B")))
    yield "form of 1 MiB, %25;", Case(_form(b"Body=" + salt + b";" + _filled(b"%25%2B")))
    yield "form of 1 MiB, broken escapes", Case(_form(b"Body=" + salt + _filled(b"%a")))
    yield "form of 1 MiB, escaped UTF-8", Case(_form(b"Body=" + salt + _filled(b"%C3%BC")))
    yield "form of 1 MiB, raw UTF-8 and %2B", Case(_form(b"Body=" + salt + _filled("ü%2B".encode())))
    yield "form of 1 MiB, plus signs", Case(_form(b"Body=" + salt + _filled(b"+a")))
    yield "form of 1 MiB, semicolons", Case(_form(b"Body=" + salt + _filled(b";")))
    yield (
        "form of 1 MiB, 2,900 fields of %2B",
        Case(_form(salt + b"&".join([b"Body=" + b"%2B" * 110] * 2900))),
    )
    yield (
        "form of 1 MiB, 2,900 names",
        Case(_form(b"&".join(b"N%d%b=%b" % (i, salt, b"%2B" * 100) for i in range(2900)))),
    )
    yield "form of 1 MiB, one long name", Case(_form(salt + _filled(b"%2B") + b"=1"))
    yield "form of 1 MiB, ac", Case(_form(b"MediaUrl=" + salt + _filled(b"ac")))
    yield "form of 1 MiB, TwiML", Case(_form(b"Twiml=" + salt + _filled(b"%3CDial%3E")))
    yield (
        "multipart, 490 parts of 2 KiB",
        Case(_post("multipart/form-data; boundary=b", _multipart(490, salt + b"x" * 2000))),
    )
    yield (
        "multipart, one part of lines",
        Case(_post("multipart/form-data; boundary=b", _multipart(1, salt + _filled(b"\r\nx", 500_000)))),
    )
    yield (
        "multipart, 1 MiB of dashes",
        Case(_post("multipart/form-data; boundary=b", _multipart(1, salt + _filled(b"\r\n-", 500_000)))),
    )
    yield "JSON of 1 MiB, one string", Case(_functions(b'{"a": "' + salt + _filled(b"x") + b'"}'))
    yield "JSON of 1 MiB, escapes", Case(_functions(b'{"a": "' + salt + _filled(rb"\u0041") + b'"}'))
    yield (
        "JSON, 4,900 values",
        Case(_functions(b'{"a": [' + b",".join([b'"%b%b"' % (salt, b"x" * 200)] * 4900) + b"]}")),
    )
    yield "JSON, 60,000 values", Case(_functions(b'{"a": [' + b",".join([salt] * 60_000) + b"]}"))
    yield "JSON, nested 500,000 times", Case(_functions(_filled(b"[", 500_000)))
    yield "JSON of 1 MiB, quotes", Case(_functions(b'{"a": "' + salt + _filled(rb"\"") + b'"}'))
    yield (
        "JSON of 128 KiB, converted",
        Case(_post("application/json", json.dumps({"Body": "+" * 120_000 + str(number)}).encode())),
    )
    yield (
        "form of 32 KiB, Shift-JIS",
        Case(_form(b"Body=" + salt + _filled(b"%83%41", 32_000), f"{FORM}; charset=shift_jis")),
    )
    yield "query of 60 KiB", Case(request(f"GET {MESSAGES}?a={'%2B' * 20_000}"))
    yield (
        "query of 60 KiB, names",
        Case(request(f"GET {MESSAGES}?{'&'.join(f'a{i}=%2B' for i in range(5000))}")),
    )
    yield (
        "path of 60 KiB",
        Case(request(f"GET /2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{'a' * 60_000}.json")),
    )
    yield "path of 20,000 segments", Case(request(f"GET /2010-04-01/{'a/' * 20_000}b"))
    yield (
        "126 fields of 8 KiB",
        Case(request(f"GET {MESSAGES}", *(f"X-{i}: {'x' * 8000}" for i in range(120)))),
    )
    yield "Accept of 60 KiB", Case(request(f"GET {MESSAGES}", "Accept: " + "a," * 30_000))
    yield "User-Agent of 60 KiB", Case(request(f"GET {MESSAGES}", "User-Agent: " + "a/1 " * 15_000))
    links = json.dumps(
        [{"url": f"https://verify.twilio.com/v2/Services/{i}"} for i in range(220_000)]
    ).encode()
    yield "answer of 13 MiB of links", Case(request(_PREFIXED), links, (_JSON,))
    packed = gzip.compress(links, 1)
    coded = (_JSON, "Content-Encoding: gzip")
    yield "the same in gzip", Case(request(_PREFIXED, "Accept-Encoding: gzip"), packed, coded)
    zeros = gzip.compress(b'{"a": "' + bytes(b"x" * 15 * _MIB) + b'"}')
    yield "15 MiB of one string in gzip", Case(request(_PREFIXED, "Accept-Encoding: gzip"), zeros, coded)
    yield "15 MiB of one string", Case(request(_PREFIXED), b'{"a": "' + b"x" * 15 * _MIB + b'"}', (_JSON,))
    yield (
        "answer, 500 fields",
        Case(request(f"GET {MESSAGES}"), b"{}", tuple(f"X-{i}: {'x' * 100}" for i in range(500))),
    )
    yield "answer of 16 MiB, streamed", Case(request(f"GET {MESSAGES}"), bytes(15 * _MIB))
    yield (
        "answer of 60 KiB, an error",
        Case(request(f"GET {MESSAGES}"), json.dumps({"code": [1] * 20_000}).encode()),
    )


class Measured(NamedTuple):
    """Milliseconds of CPU of the longest turn and of the longest piece, and the status."""

    turn: float
    piece: float
    status: int


class Turns:
    """CPU seconds of the longest turn of the running loop since it was last set to 0."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = time.thread_time()
        self.longest = 0.0
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._began)
        self._began = now
        self._loop.call_soon(self._turn)


async def _drive(only: str) -> None:
    """Caller and upstream: says the upstream's URL, reads the gateway's port, then says what it does."""
    async with raw_upstream() as upstream:
        print(upstream.url, flush=True)
        port = int(await asyncio.to_thread(sys.stdin.readline))
        for number in range(_ROUNDS):
            for name, case in cases(number):
                if only in name:
                    upstream.otherwise = reply(case.answer, fields=case.fields)
                    print(json.dumps({"begins": name}), flush=True)
                    print(json.dumps({"ends": name, "status": await _ask(port, case.request)}), flush=True)


async def _ask(port: int, data: bytes) -> int:
    """The status, 0 for an answer that is broken off."""
    try:
        return (await ask(port, data)).status
    except asyncio.IncompleteReadError:
        return 0


async def _measure(only: str) -> dict[str, Measured]:
    """What was measured, by case."""
    found: dict[str, Measured] = {}
    command = [sys.executable, "-m", "tests.bench.stalls", "--drive", "--case", only]
    driver = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    url = (await driver.stdout.readline()).decode().strip()
    pieces = Pieces()
    async with running_gateway(url, consumers={"app": consumer(KEY, form=_RULES, convert=True)}) as gateway:
        turns = Turns()
        driver.stdin.write(b"%d\n" % gateway.port)
        async for line in driver.stdout:
            turn, piece, said = turns.longest * 1000, pieces.longest * 1000, json.loads(line)
            if "ends" in said:
                name = said["ends"]
                before = found.get(name) or Measured(turn, piece, 0)
                found[name] = Measured(min(before.turn, turn), min(before.piece, piece), said["status"])
            turns.longest = pieces.longest = 0.0
    if await driver.wait():
        raise RuntimeError("the callers failed")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """0; a caller that fails raises; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", choices=("plain", "compiled"), default="compiled")
    parser.add_argument("--case", default="", metavar="NAME", help="only those with this in their names")
    parser.add_argument("--short", action="store_true", help="one case, plain: only to see that it runs")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.short:
        args.build, args.case = "plain", "small form"
    if args.drive:
        asyncio.run(_drive(args.case))
        return 0
    if args.build == "compiled" and not args.here:
        command = [sys.executable, "-m", "tests.bench.stalls", "--here", "--case", args.case]
        return subprocess.run(command, cwd=compiled_tree(), check=False).returncode
    print("longest turn   piece")
    for name, (turn, piece, status) in uvloop.run(_measure(args.case)).items():
        print(f"{turn:9.1f} ms {piece:7.3f} ms  {status}  {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
