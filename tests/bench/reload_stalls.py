"""How long callers wait while a large configuration is reloaded: 2,000 consumers with 10 keys each.

`python -m tests.bench.reload_stalls [--consumers 2000] [--reloads 5] [--busy 0] [--tree DIR]` asks for the
same refusal again and again over one connection, and prints the slowest answers without and with reloads.
`--busy` starts that many processes that compute, because a stall grows with the machine's load; then the
quiet line says what the machine alone costs.
"""

import argparse
import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.bench.processes import PATH, ROOT, Started, started_gateway
from tests.support.caller import ask, raw_caller, request
from tests.support.running import configuration, consumer

_PAUSE_SECONDS = 0.001
_QUIET_SECONDS = 3.0
_NOBODY = "http://127.0.0.1:9"
"""An upstream that is never asked."""


def many_consumers(count: int, mark: str) -> dict[str, Any]:
    """Services with ten keys each; another `mark` gives all of them other keys."""
    allow = ["messages:send", "GET api /2010-04-01/Accounts/{AccountSid}/Calls.json"]
    services: dict[str, Any] = {}
    for number in range(count):
        digests = [hashlib.sha256(f"{mark}/{number}/{key}".encode()).hexdigest() for key in range(10)]
        keys = [f"sha256:{each}" for each in digests[:5]]
        ending = [{"digest": f"sha256:{each}", "expires": "2036-01-01T00:00:00Z"} for each in digests[5:]]
        services[f"service-{number}"] = {
            "keys": [*keys, *ending],
            "credential": "main",
            "allow": allow,
            "limits": [{"rate": "50/s"}],
        }
    return {**services, "app": consumer(allow=["messages:send"])}


async def _reloads(admin_url: str) -> int:
    port = urlsplit(admin_url).port
    assert port is not None
    head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    lines = (await ask(port, head)).body.decode().splitlines()
    counts = [line for line in lines if line.startswith("gateway_config_reloads_total{")]
    assert all('"success"' in line for line in counts if not line.endswith(" 0.0")), counts
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


async def _reload(gateway: Started, config: Path, text: str, count: int) -> None:
    config.with_suffix(".new").write_text(text)
    config.with_suffix(".new").replace(config)
    os.kill(gateway.pid, signal.SIGHUP)
    while await _reloads(gateway.admin_url) < count:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)


async def _ask_on(port: int, waits: list[float], until: asyncio.Event) -> None:
    """Ask for a refusal by the consumer's rules, which no upstream delays."""
    data = request(f"DELETE {PATH.removesuffix('.json')}/SM{'0' * 32}.json")
    async with raw_caller(port) as caller:
        while not until.is_set():
            began = time.perf_counter()
            await caller.send(data)
            assert (await caller.answer()).status == 403
            waits.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(_PAUSE_SECONDS)


async def _measure(port: int, busy: Any) -> list[float]:
    """The waits of one caller, in milliseconds, while `busy` is awaited."""
    waits: list[float] = []
    end = asyncio.Event()
    asking = asyncio.ensure_future(_ask_on(port, waits, end))
    await busy
    end.set()
    await asking
    return waits


def _line(name: str, waits: list[float]) -> str:
    waits = sorted(waits)
    worst = ", ".join(f"{wait:.1f}" for wait in waits[:-6:-1])
    return f"{name:14} {len(waits):6} answers, median {median(waits):.2f} ms, slowest {worst} ms"


@contextmanager
def _computing(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


async def _run(gateway: Started, config: Path, files: Sequence[str], reloads: int) -> list[str]:
    port = urlsplit(gateway.url).port
    assert port is not None
    lines = [_line("quiet", await _measure(port, asyncio.sleep(_QUIET_SECONDS)))]
    seconds: list[float] = []

    async def reload_all() -> None:
        before = await _reloads(gateway.admin_url)
        for number in range(reloads):
            began = time.perf_counter()
            await _reload(gateway, config, files[(number + 1) % len(files)], before + number + 1)
            seconds.append(time.perf_counter() - began)

    lines.append(_line("with reloads", await _measure(port, reload_all())))
    return [*lines, f"a reload took {min(seconds):.2f} to {max(seconds):.2f} s"]


def main(argv: Sequence[str] | None = None) -> int:
    """Print three lines; 0 if every reload was applied and every answer was the expected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consumers", type=int, default=2_000)
    parser.add_argument("--reloads", type=int, default=5)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose gateway is run")
    parser.add_argument("--short", action="store_true", help="300 consumers, one reload")
    args = parser.parse_args(argv)
    count, reloads = (300, 1) if args.short else (args.consumers, args.reloads)
    with TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.yaml"
        settings: dict[str, Any] = {"log": {"format": "json"}, "consumers": many_consumers(count, "first")}
        with started_gateway(None, _NOBODY, Path(folder), args.tree, **settings) as gateway:
            settings["consumers"] = many_consumers(count, "second")
            files = [config.read_text(), yaml.safe_dump(configuration(_NOBODY, **settings))]
            with _computing(args.busy):
                print("\n".join(asyncio.run(_run(gateway, config, files, reloads))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
