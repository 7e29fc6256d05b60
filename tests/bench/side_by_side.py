"""CPU time and added latency of the gateway beside Caddy's and Envoy's, each on one core.

`make bench`, or `python -m tests.bench.side_by_side [--rounds 5] [--seconds 4]`: first CPU time (user and
system, of the process) for each request, by turns; then the latency that each adds at 100 and 200 requests a
second to an upstream that takes 20 ms. All put another credential on, limit, and write a JSON line for each
request; `Caddyfile` and `envoy.yaml` beside this file are what the others run with. Their binaries come from
`tests/bench/requirements.lock`.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import uvloop

from tests.bench.latency import measure as measure_latency
from tests.bench.latency import report
from tests.bench.processes import (
    FIELDS,
    FORM,
    ROOT,
    Cores,
    Started,
    by_turns,
    pinned,
    read_trees,
    started_gateway,
    started_relay,
    started_upstream,
)
from tests.bench.throughput import Load, measure
from tests.support.compiled_tree import compiled_tree
from tests.support.free_ports import free_port

_HERE = Path(__file__).parent
_DELAY_MS = 20.0
_START_SECONDS = 120.0
_RATES = (100.0, 200.0)
_OTHERS = ("caddy", "envoy", "bare relay")
_CREDENTIAL = "Basic U0swMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZjpzaW11bGF0b3Itb25seS1hcGktc2VjcmV0"
"""What the gateway sends for `ENVIRON`; to the upstream of a benchmark it is only so many bytes."""


def vary_script() -> str:
    """wrk's script: a POST that creates a message, every head and every body different."""
    fields = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in FIELDS.items())
    return f"""
wrk.method = "POST"
{fields}
local number = 10000000
function request()
  number = number + 1
  wrk.headers["X-Request-Id"] = "vary-" .. number
  return wrk.format(nil, nil, nil, "{FORM}+" .. number)
end
"""


@contextmanager
def _listening(command: list[str], port: int, core: int | None, environ: dict[str, str]) -> Iterator[Started]:
    """A process that says nothing when it is ready; what it prints goes through a pipe, as the gateway's."""
    with pinned(core):
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=_HERE
        )
    with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL) as reader:
        try:
            _wait_for(port, process)
            yield Started(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(30)
            reader.wait(30)
            assert process.stdout is not None
            process.stdout.close()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    due = time.monotonic() + _START_SECONDS
    while time.monotonic() < due and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not listen")


@contextmanager
def started_caddy(core: int | None, upstream: str) -> Iterator[Started]:
    """Caddy on one core: one processor for Go's scheduler as well."""
    port = free_port()
    environ = {
        "HOME": "/nonexistent",
        "GOMAXPROCS": "1",
        "BENCH_PORT": str(port),
        "BENCH_UPSTREAM": str(urlsplit(upstream).port),
        "BENCH_CALLER": FIELDS["Authorization"],
        "BENCH_CREDENTIAL": _CREDENTIAL,
    }
    command = [_binary("caddy"), "run", "--config", str(_HERE / "Caddyfile"), "--adapter", "caddyfile"]
    with _listening(command, port, core, environ) as caddy:
        yield caddy


@contextmanager
def started_envoy(core: int | None, upstream: str, folder: Path) -> Iterator[Started]:
    """Envoy with one worker, on one core."""
    port = free_port()
    text = (_HERE / "envoy.yaml").read_text()
    for name, value in {
        "ADMIN": free_port(),
        "PORT": port,
        "UPSTREAM": urlsplit(upstream).port,
        "CALLER": FIELDS["Authorization"],
        "CREDENTIAL": _CREDENTIAL,
    }.items():
        text = text.replace(f"@{name}@", str(value))
    config = folder / "envoy.yaml"
    config.write_text(text)
    command = [
        _binary("envoy"), "--concurrency", "1", "--log-level", "warn", "--disable-hot-restart",
        "--config-path", str(config),
    ]  # fmt: skip
    with _listening(command, port, core, {"HOME": str(folder), "PATH": "/usr/bin:/bin"}) as envoy:
        yield envoy


def _binary(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def installed() -> bool:
    """Whether all programs are there that are run here."""
    return shutil.which("wrk") is not None and all(
        Path(_binary(each)).exists() for each in ("caddy", "envoy")
    )


@contextmanager
def started_all(trees: dict[str, Path], upstream: str, core: int | None) -> Iterator[dict[str, Started]]:
    """Everything that is compared, each on the measured core; nothing runs there but who is asked."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        servers = {
            "envoy": stack.enter_context(started_envoy(core, upstream, folder)),
            "caddy": stack.enter_context(started_caddy(core, upstream)),
            "bare relay": stack.enter_context(started_relay(core, upstream)),
        }
        for name, tree in trees.items():
            (folder / name).mkdir()
            servers[name] = stack.enter_context(started_gateway(core, upstream, folder / name, tree))
        yield servers


def compare_cpu(trees: dict[str, Path], rounds: int, seconds: float) -> dict[str, list[Load]]:
    """Rounds of full load over 32 connections, by turns."""
    cores = Cores.found()
    with (
        TemporaryDirectory() as folder,
        started_upstream(cores.load) as upstream,
        started_all(trees, upstream.url, cores.measured) as servers,
    ):
        script = Path(folder) / "vary.lua"
        script.write_text(vary_script())
        for server in servers.values():  # warm up
            measure(server, 1, cores.load, script)
        loads: dict[str, list[Load]] = {name: [] for name in servers}
        for name, server in by_turns(servers, rounds):
            loads[name].append(measure(server, seconds, cores.load, script))
    return loads


def compare_latency(
    trees: dict[str, Path], rounds: int, seconds: float, rate: float
) -> dict[str, list[list[float | None]]]:
    """Milliseconds of each request of an open loop, by turns; `direct` is the upstream itself.

    In a turn of 3 s at 200 requests/s, more than one in a hundred is the first of its connection: a caller
    that keeps its connections is measured by turns of 8 s or more.
    """
    cores = Cores.found()
    with (
        started_upstream(cores.load, delay_ms=_DELAY_MS) as upstream,
        started_all(trees, upstream.url, cores.measured) as servers,
        pinned(cores.load),
    ):
        servers = {"direct": upstream, **servers}
        for server in servers.values():  # warm up
            uvloop.run(measure_latency(server, rate, min(1.0, seconds)))
        times: dict[str, list[list[float | None]]] = {name: [] for name in servers}
        for name, server in by_turns(servers, rounds):
            times[name].append(uvloop.run(measure_latency(server, rate, seconds)))
    return times


def _ratio(mine: list[Load], theirs: list[Load]) -> float:
    """The median of the rounds' own ratios."""
    return median(one.cpu / other.cpu for one, other in zip(mine, theirs, strict=True))


def report_cpu(loads: dict[str, list[Load]]) -> bool:
    """Print it; whether every answer was 2xx."""
    medians = {name: median(each.cpu for each in rounds) for name, rounds in loads.items()}
    for name, cpu in medians.items():
        rate = median(each.rate for each in loads[name])
        ratios = "".join(f"   {_ratio(loads[name], loads[other]):.2f} × {other}" for other in _OTHERS)
        print(f"{name:<20} {cpu:6.1f} µs CPU a request   {rate:7.0f} requests/s{ratios}")
    troubles = {(name, each.trouble) for name, rounds in loads.items() for each in rounds if each.trouble}
    for name, trouble in troubles:
        print(f"{name}: {trouble}")
    return not troubles


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if an answer was not 2xx or a program is missing; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each round (default: 4)")
    parser.add_argument("--only", choices=("cpu", "latency"), help="half of it")
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=PATH", help="another checkout")
    parser.add_argument("--short", action="store_true", help="one short round: only to see that it runs")
    args = parser.parse_args(arguments)
    if not installed():
        print("caddy, envoy or wrk is missing; `make bench` installs them", file=sys.stderr)
        return 1
    trees = read_trees(args.tree)
    if not trees:
        trees = {"gateway, plain": ROOT}
        if not args.short:
            trees["gateway, compiled"] = compiled_tree()
    rounds, seconds = (1, 1.0) if args.short else (args.rounds, args.seconds)
    well = True
    if args.only != "latency":
        well &= report_cpu(compare_cpu(trees, rounds, seconds))
    if args.only != "cpu":
        for rate in _RATES[-1:] if args.short else _RATES:
            well &= not report(compare_latency(trees, rounds, seconds, rate), f" at {rate:.0f}/s  ")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
