"""What scraping and an open page cost traffic: 200 consumers, every route touched, a scrape every 2 s.

`python -m tests.bench.scrape [--rate 200] [--seconds 10] [--rounds 3] [--page]` prints the size of the
exposition and the data port's latency with and without a scraper, by turns; with `--page` also while a
browser shows the page. Both are processes of their own on the load's core, as they are elsewhere in life, so
that of an open page the CPU counts and the latency is the browser's as well.
"""

import argparse
import asyncio
import base64
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import uvloop

from gateway.twilio.catalogue import load_catalogue
from tests.bench.latency import measure, percentiles
from tests.bench.processes import (
    Cores,
    Started,
    consumers,
    cpu_seconds,
    pinned,
    started_gateway,
    started_upstream,
)
from tests.support.caller import RawCaller
from tests.support.metrics import OPENMETRICS, path_of
from tests.support.running import ACCOUNT_SID, consumer

_DELAY_MS = 20.0
_CONSUMERS = 200
_CONNECTIONS = 32
_EVERY_SECONDS = 2.0
_LONGEST_BYTES = 1_000_000


def _consumers() -> dict[str, Any]:
    many = {f"service-{number}": consumer(f"key-{number}-of-a-service") for number in range(_CONSUMERS - 1)}
    return {**many, "app": consumers()["app"]}


def _request_of(number: int, method: str, target: str) -> bytes:
    number %= _CONSUMERS - 1
    login = base64.b64encode(f"service-{number}:key-{number}-of-a-service".encode()).decode()
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n".encode()


async def touch(server: Started) -> int:
    """Ask for every route once, consumers by turns, and let each send and read messages; how many."""
    chance = random.Random(1)
    routes = [
        (each.method, f"/{each.product}{path_of(each, ACCOUNT_SID, chance)}")
        for each in load_catalogue().routes
    ]
    messages = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    each_consumer = [(method, messages) for method in ("POST", "GET", "PATCH")]
    wanted = [_request_of(number, *what) for number, what in enumerate(routes)]
    wanted += [_request_of(number, *what) for number in range(_CONSUMERS) for what in each_consumer]
    waiting = iter(wanted)
    port = urlsplit(server.url).port

    async def ask_on() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        caller = RawCaller(reader, writer)
        for data in waiting:
            await caller.send(data)
            await caller.answer()
        writer.close()

    await asyncio.gather(*(ask_on() for _ in range(_CONNECTIONS)))
    return len(wanted)


def fetch(admin_url: str) -> bytes:
    """One scrape."""
    asked = urllib.request.Request(f"{admin_url}/metrics", headers={"Accept": OPENMETRICS})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        body: bytes = answer.read()
    return body


@contextmanager
def without(admin_url: str, core: int | None) -> Iterator[None]:
    """Nothing reads."""
    yield


@contextmanager
def scraping(admin_url: str, core: int | None) -> Iterator[None]:
    """Scrapes every 2 s meanwhile, in a process of its own."""
    with pinned(core):
        process = subprocess.Popen([sys.executable, "-m", "tests.bench.scrape", "--scraper", admin_url])
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the scraper ended")
    finally:
        process.kill()
        process.wait()


@contextmanager
def viewing(admin_url: str, core: int | None) -> Iterator[None]:
    """A browser shows the page meanwhile."""
    command = [sys.executable, "-m", "tests.bench.scrape", "--viewer", admin_url]
    with pinned(core):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise RuntimeError("the page did not open")
        yield
    finally:
        process.stdin.close()
        process.wait()


def _view_until_told(admin_url: str) -> None:
    """Say so once the page lives, and go on until standard input ends."""
    from playwright.sync_api import sync_playwright

    from tests.browser.reader import LAUNCH
    from tests.clients.programs import require_tool

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_tool("chromium"), args=LAUNCH)
        page = browser.new_page()
        page.goto(admin_url)
        page.locator("tr.exchange").first.wait_for()
        print("open", flush=True)
        sys.stdin.read()
        browser.close()


def _scrape_for_ever(admin_url: str) -> None:
    due = time.monotonic()
    while True:
        fetch(admin_url)
        due += _EVERY_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


def _report(name: str, rounds: list[list[float | None]], cpu: float) -> int:
    found = [percentiles(each) for each in rounds]
    worst = max(each for several in rounds for each in several if each is not None)
    print(
        f"{name:<18} p50 {median(each[0] for each in found):6.2f} ms"
        f"   p99 {median(each[1] for each in found):6.2f} ms"
        f"   worst {worst:6.2f} ms   {cpu * 1e3:6.1f} ms CPU a second"
    )
    return sum(each is None for several in rounds for each in several)


def run(rate: float, seconds: float, rounds: int, *, page: bool = False) -> int:
    """0, or 1 if a request had no good answer or the exposition is too long; never because of a time."""
    cores = Cores.found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        upstream = stack.enter_context(started_upstream(cores.load, delay_ms=_DELAY_MS))
        gateway = stack.enter_context(
            started_gateway(cores.measured, upstream.url, folder, consumers=_consumers())
        )
        stack.enter_context(pinned(cores.load))
        asked = uvloop.run(touch(gateway))
        began = time.perf_counter()
        exposition = fetch(gateway.admin_url)
        took = time.perf_counter() - began
        lines = len(exposition.splitlines())
        print(
            f"{len(exposition):,} bytes, {lines:,} lines after {asked} requests; {took * 1e3:.0f} ms at rest"
        )
        beside = {"without": without, "scraped every 2 s": scraping} | (
            {"page open": viewing} if page else {}
        )
        times: dict[str, list[list[float | None]]] = {name: [] for name in beside}
        used = dict.fromkeys(times, 0.0)
        for _ in range(rounds):
            for name, reader in beside.items():
                with reader(gateway.admin_url, cores.load):
                    before = cpu_seconds(gateway)
                    times[name].append(uvloop.run(measure(gateway, rate, seconds)))
                    used[name] += cpu_seconds(gateway) - before
        failed = sum(_report(name, each, used[name] / seconds / rounds) for name, each in times.items())
    if failed:
        print(f"{failed} requests had no good answer")
    if len(exposition) >= _LONGEST_BYTES:
        print(f"the exposition is longer than {_LONGEST_BYTES:,} bytes")
    return 1 if failed or len(exposition) >= _LONGEST_BYTES else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """As `run`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200, help="requests a second (default: 200)")
    parser.add_argument("--seconds", type=float, default=10, help="of each round (default: 10)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="one short round: only to see that it runs")
    parser.add_argument("--page", action="store_true", help="also with the page open; needs Chromium")
    parser.add_argument("--scraper", help=argparse.SUPPRESS, metavar="URL")
    parser.add_argument("--viewer", help=argparse.SUPPRESS, metavar="URL")
    args = parser.parse_args(arguments)
    if args.scraper:
        _scrape_for_ever(args.scraper)
    if args.viewer:
        _view_until_told(args.viewer)
        return 0
    seconds, rounds = (1.0, 1) if args.short else (args.seconds, args.rounds)
    return run(args.rate, seconds, rounds, page=args.page)


if __name__ == "__main__":
    sys.exit(main())
