"""Instructions that tunnels cost, counted by callgrind: what `tunnels.py` measures, for a busy machine.

`python -m tests.bench.tunnel_instructions [--connections 100] [--tree NAME=PATH]...`: a new connection with
one request, and a request in a kept one, of the gateway (in a tunnel, and plain), of the least that Python
can do for a tunnel, and of nginx. Of each count the share of OpenSSL is printed, which nobody can avoid. What
the kernel does is not counted, nor do instructions tell how long they take: Python's wait for memory more
often than OpenSSL's. Needs Debian's packages valgrind and nginx-light. Minutes.
"""

import argparse
import re
import shutil
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.instructions import IDLE_SECONDS, control, read_dump, start_counting, under_callgrind
from tests.bench.processes import ROOT, Cores, Started, started, started_gateway, started_upstream
from tests.bench.tunnels import HOST, ask, inside, plain, started_nginx
from tests.support.authority import make_authority

_NAME = re.compile(r"(c?ob|fn)=\((\d+)\)(?: (.*))?")
_COST = re.compile(r"[-+*\d]\S* (\d+)")
_OPENSSL = ("libcrypto", "libssl")


def openssl_instructions(dump: Path) -> int:
    """Of a dump, those in OpenSSL's libraries, without what they call elsewhere."""
    names: dict[str, str] = {}
    spent: Counter[str] = Counter()
    here = ""
    called = False
    for line in dump.read_text(errors="replace").splitlines():
        if found := _NAME.fullmatch(line):
            kind, number, name = found.groups()
            if kind != "fn":
                if name:
                    names[number] = Path(name).name
                if kind == "ob":
                    here = number
        elif line.startswith("calls="):
            called = True  # the next line is the callee's cost
        elif found := _COST.fullmatch(line):
            if not called:
                spent[here] += int(found[1])
            called = False
    return sum(count for number, count in spent.items() if names.get(number, "").startswith(_OPENSSL))


class Counting:
    """One server under callgrind, whose dumps are in `folder`."""

    def __init__(self, name: str, server: Started, folder: Path) -> None:
        self._name = name
        self._server = server
        self._folder = folder
        self._dumps = 0

    def count(self, what: str, load: Callable[[int], None], times: int) -> None:
        """Print what one of `times` turns of a load costs, less what the server does by itself."""
        start_counting(self._server)
        load(max(40, times // 4))
        control("--zero", self._server)
        time.sleep(IDLE_SECONDS)
        dump = self._dump()
        idle = read_dump(dump) / IDLE_SECONDS
        idle_openssl = openssl_instructions(dump) / IDLE_SECONDS
        control("--zero", self._server)
        began = time.monotonic()
        load(times)
        passed = time.monotonic() - began
        dump = self._dump()
        spent = (read_dump(dump) - idle * passed) / times
        shared = (openssl_instructions(dump) - idle_openssl * passed) / times
        line = f"{self._name:<12} {what:<12} {spent:11,.0f} instructions, of which OpenSSL {shared:11,.0f}"
        print(line, flush=True)

    def _dump(self) -> Path:
        control("--dump", self._server)
        self._dumps += 1
        return self._folder / f"out.{self._dumps}"


def _count_all(
    name: str, server: Started, folder: Path, context: ssl.SSLContext, connections: int, *kinds: str
) -> None:
    """A new and a kept connection of each kind: `tunnel`, `tls` (without CONNECT), `plain`."""
    counting = Counting(name, server, folder)

    def opened(kind: str) -> socket.socket:
        if kind == "tunnel":
            return inside(server.url, context)
        sock = plain(server.url)
        return context.wrap_socket(sock, server_hostname=HOST) if kind == "tls" else sock

    def new(times: int) -> None:
        for _ in range(times):
            with opened(kind) as sock:
                ask(sock)

    for kind in kinds:
        counting.count(f"new {kind}", new, connections)
        with opened(kind) as sock:

            def kept(times: int) -> None:
                for _ in range(times):
                    ask(sock)

            counting.count(f"kept {kind}", kept, 2 * connections)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the counts: 0, or 1 if a program is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=100, help="380 at most, for nginx")
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=PATH", help="another checkout")
    args = parser.parse_args(arguments)
    if shutil.which("callgrind_control") is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 1
    trees = {"gateway": ROOT} | {name: Path(path) for name, _, path in (t.partition("=") for t in args.tree)}
    cores = Cores.found()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ca = make_authority(folder / "pki")
        context = ssl.create_default_context(cafile=str(folder / "pki" / "root.pem"))
        upstream = stack.enter_context(started_upstream(cores.load))
        measured = cores.measured, upstream.url
        for tree, path in trees.items():
            with (
                own(folder, tree) as (place, under),
                started_gateway(*measured, place, path, under, ca=ca) as gateway,
            ):
                _count_all(tree, gateway, place, context, args.connections, "tunnel", "plain")
        with own(folder, "nginx") as (place, under):
            with started_nginx(cores.measured, place, folder / "pki", upstream.url, under) as nginx:
                if nginx is None:
                    print("nginx is not installed: apt-get install nginx-light", file=sys.stderr)
                    return 1
                _count_all("nginx", nginx, place, context, args.connections, "tls")
            files = [str(place / each) for each in ("leaf.pem", "leaf.key")]
        with own(folder, "bare tunnel") as (place, under):
            command = [*under, sys.executable, "-m", "tests.bench.bare_tunnel", upstream.url, *files]
            with started(command, cores.measured) as bare:
                _count_all("bare tunnel", bare, place, context, args.connections, "tunnel")
    return 0


@contextmanager
def own(folder: Path, name: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder for a server, and the command that runs it under callgrind."""
    place = folder / name.replace(" ", "_")
    place.mkdir()
    with under_callgrind(place) as under:
        yield place, under


if __name__ == "__main__":
    sys.exit(main())
