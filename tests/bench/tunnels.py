"""What tunnels cost: CPU of a request in a kept one, of a new one beside nginx, memory when idle, minting.

`python -m tests.bench.tunnels [--requests 4000] [--connections 60] [--idle 500] [--rounds 9]
[--tree NAME=PATH]...`. Everything is measured in one run, by short turns, in the scheduler's own figures of
CPU time. nginx (Debian: nginx-light) ends TLS 1.2 or 1.3 with a certificate of the same kind, tickets on (two
for each connection, where the gateway sends one), writes a buffered access log, and hands each request to
the same upstream by kept connections; without it, that line is left out. It knows no CONNECT: beside it is
measured the least that a server in Python can do for a tunnel (`bare_tunnel.py`). Each `--tree` is another
checkout whose gateway is measured, too, the compiled one for instance. What a server does by itself, measured
before, is taken off by the time that passed. On a busy machine see `tunnel_instructions.py` instead.
"""

import argparse
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from gateway.ca.authority_files import load_key, read_certificates
from gateway.ca.certificate_authority import SigningPair, make_leaf, to_pem
from gateway.ca.certificate_minter import CertificateMinter, IssuingAuthority, MintedContexts
from gateway.config.loading.certificate_files import make_server_context
from tests.bench.memory import rss_bytes
from tests.bench.processes import (
    FIELDS,
    MEDIA_PATH,
    Cores,
    Started,
    pinned,
    started,
    started_gateway,
    started_upstream,
)
from tests.support.authority import make_authority
from tests.support.free_ports import free_port
from tests.support.tunnel import ESTABLISHED, connect_head

HOST = "api.twilio.com"
REQUEST = (
    f"GET {MEDIA_PATH}?Size=1024 HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {FIELDS['Authorization']}\r\n\r\n"
).encode()
_IDLE_SECONDS = 2.0
_NGINX = """\
daemon off; master_process off; error_log /dev/null crit; pid {folder}/nginx.pid;
events {{ worker_connections 2048; }}
http {{
  access_log {folder}/access.log combined buffer=32k flush=1s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream twilio {{ server {upstream}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key;
    location / {{ proxy_pass http://twilio; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def plain(url: str) -> socket.socket:
    """A connection to the data port."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "", parts.port or 0), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as HTTP clients do
    return sock


def inside(url: str, context: ssl.SSLContext) -> socket.socket:
    """One inside a tunnel, which the gateway has no session of."""
    sock = plain(url)
    sock.sendall(connect_head(HOST))
    assert sock.recv(len(ESTABLISHED), socket.MSG_WAITALL) == ESTABLISHED
    return context.wrap_socket(sock, server_hostname=HOST)


def ask(sock: socket.socket) -> None:
    """A request and its whole answer of 1 KiB."""
    sock.sendall(REQUEST)
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < 1024:
        data = sock.recv(65536)
        assert data, received
        received += data
    assert received.startswith(b"HTTP/1.1 200"), received


def scheduled_seconds(process: Started) -> float:
    """CPU time that a process has used, its threads included; finer than `cpu_seconds`, which has 10 ms."""
    files = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def measure_kept(
    gateways: tuple[Started, Started], context: ssl.SSLContext, requests: int, rounds: int
) -> list[float]:
    """The ratio of a tunnel's CPU time to the plain port's, of each round.

    A caller's own TLS takes time, in which other programs drive the gateway's data out of the caches. So both
    are asked in turn, request by request, each at a gateway of its own; the two change places each round.
    """
    with ExitStack() as stack:
        bare = {each: [stack.enter_context(plain(each.url)) for _ in range(8)] for each in gateways}
        tunnels = {
            each: [stack.enter_context(inside(each.url, context)) for _ in range(8)] for each in gateways
        }
        for sock in chain(*bare.values(), *tunnels.values()):
            ask(sock)  # a tunnel without a first request is closed after ten seconds
        ratios = []
        for number in range(-1, rounds):
            asked, tunnelled = gateways if number % 2 else reversed(gateways)
            before = scheduled_seconds(asked), scheduled_seconds(tunnelled)
            for at in range(requests):
                ask(bare[asked][at % 8])
                ask(tunnels[tunnelled][at % 8])
            by_port = (scheduled_seconds(asked) - before[0]) / requests
            by_tunnel = (scheduled_seconds(tunnelled) - before[1]) / requests
            if number >= 0:  # the first is for warming up
                print(f"kept: plain {by_port * 1e6:.0f} µs, tunnel {by_tunnel * 1e6:.0f} µs of CPU a request")
                ratios.append(by_tunnel / by_port)
        return ratios


@contextmanager
def started_nginx(
    core: int | None, folder: Path, pki: Path, upstream: str, under: Sequence[str] = ()
) -> Iterator[Started | None]:
    """nginx with one process and a leaf of the same CA; None where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield None
        return
    certificate, _ = read_certificates(pki / "ca.pem")
    issuer = SigningPair(certificate, load_key((pki / "ca.key").read_bytes(), certificate))
    leaf = make_leaf(issuer, HOST, datetime.now(UTC))
    (folder / "leaf.pem").write_bytes(to_pem(leaf.certificate) + to_pem(certificate))
    (folder / "leaf.key").write_bytes(leaf.key_pem)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, upstream=urlsplit(upstream).netloc))
    with pinned(core):
        command = [*under, program, "-c", str(config), "-p", str(folder)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
        yield Started(f"https://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(20)


def connect(server: Started, context: ssl.SSLContext, connections: int, *, tunnels: bool) -> None:
    """So many new connections, each with one request, inside of a tunnel or of TLS alone."""
    for _ in range(connections):
        if tunnels:
            sock = inside(server.url, context)
        else:
            sock = context.wrap_socket(plain(server.url), server_hostname=HOST)
        with sock:
            ask(sock)


def idle_share(server: Started) -> float:
    """CPU time that a server uses by itself, for each second."""
    before = scheduled_seconds(server)
    time.sleep(_IDLE_SECONDS)
    return (scheduled_seconds(server) - before) / _IDLE_SECONDS


def new_seconds(
    server: Started, context: ssl.SSLContext, connections: int, idle: float, *, tunnels: bool
) -> float:
    """CPU time of a new connection with one request."""
    before, began = scheduled_seconds(server), time.monotonic()
    connect(server, context, connections, tunnels=tunnels)
    spent, passed = scheduled_seconds(server) - before, time.monotonic() - began
    return (spent - idle * passed) / connections


def measure_new(
    servers: dict[str, tuple[Started, bool]], context: ssl.SSLContext, connections: int, rounds: int
) -> None:
    """Print the CPU time of a new connection to each, by turns, and its ratio to nginx's."""
    times: dict[str, list[float]] = {name: [] for name in servers}
    for server, tunnels in servers.values():
        connect(server, context, 2 * connections, tunnels=tunnels)
    idle = {name: idle_share(server) for name, (server, _) in servers.items()}
    for _ in range(rounds):
        for name, (server, tunnels) in servers.items():
            times[name].append(new_seconds(server, context, connections, idle[name], tunnels=tunnels))
    for name, each in times.items():
        text = f"new, {name}: {min(each) * 1e6:.0f} to {statistics.median(each) * 1e6:.0f} µs of CPU"
        if "nginx" in times:
            ratios = [ours / theirs for ours, theirs in zip(each, times["nginx"], strict=True)]
            text += f", {statistics.median(ratios):.2f} times nginx"
        print(text)


def measure_idle(gateway: Started, context: ssl.SSLContext, count: int) -> float:
    """Resident memory of an idle tunnel that was used once, in bytes."""
    with ExitStack() as stack:
        for _ in range(50):
            ask(stack.enter_context(inside(gateway.url, context)))
        before = rss_bytes(gateway)
        for _ in range(count):
            ask(stack.enter_context(inside(gateway.url, context)))
        return (rss_bytes(gateway) - before) / count


def measure_minting(pki: Path, count: int = 50) -> float:
    """CPU time from a name that is asked for the first time to its TLS context, in seconds."""
    certificate, root = read_certificates(pki / "ca.pem")
    pair = SigningPair(certificate, load_key((pki / "ca.key").read_bytes(), certificate))
    minter = CertificateMinter(IssuingAuthority(pair, root))
    contexts = MintedContexts(minter, make_server_context)
    now = datetime.now(UTC)
    times = []
    for number in range(count):
        began = time.process_time()
        contexts.context_for(f"a{number}.twilio.com", now)
        contexts.context_for(f"a{number}.twilio.com", now)
        times.append(time.process_time() - began)
    assert minter.minted == count
    return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the four figures: 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=60)
    parser.add_argument("--idle", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=PATH")
    args = parser.parse_args(arguments)
    cores = Cores.found()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        pki = folder / "pki"
        ca = make_authority(pki)
        context = ssl.create_default_context(cafile=str(pki / "root.pem"))
        upstream = stack.enter_context(started_upstream(cores.load))
        gateway = stack.enter_context(started_gateway(cores.measured, upstream.url, folder, ca=ca))
        by_name_folder = folder / "by_name"
        by_name_folder.mkdir()
        by_name = stack.enter_context(
            started_gateway(cores.measured, upstream.url, by_name_folder, ca=ca, tls={"mint": True})
        )
        (folder / "other").mkdir()
        other = stack.enter_context(started_gateway(cores.measured, upstream.url, folder / "other", ca=ca))
        ratios = measure_kept((gateway, other), context, args.requests, 2 * (min(args.rounds, 6) // 2))
        print(f"kept: {statistics.median(ratios):.2f} times the plain port")
        servers = {"tunnel": (gateway, True), "by name": (by_name, False)}
        nginx = stack.enter_context(started_nginx(cores.measured, folder, pki, upstream.url))
        if nginx is not None:
            servers["nginx"] = (nginx, False)
            files = [str(folder / name) for name in ("leaf.pem", "leaf.key")]
            command = [sys.executable, "-m", "tests.bench.bare_tunnel", upstream.url, *files]
            servers["bare tunnel"] = (stack.enter_context(started(command, cores.measured)), True)
        for tree in args.tree:
            name, _, path = tree.partition("=")
            (folder / name).mkdir()
            of_tree = started_gateway(cores.measured, upstream.url, folder / name, Path(path), ca=ca)
            servers[f"{name}, tunnel"] = (stack.enter_context(of_tree), True)
        measure_new(servers, context, args.connections, args.rounds)
        print(f"idle: {measure_idle(gateway, context, args.idle) / 1024:.1f} KiB")
        print(f"minting: {measure_minting(pki) * 1e3:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
