"""Starting what is measured, each as a process of its own on its own core, and the load that is put on it.

Knows how to start and pin; what is measured, and how it is told, is each benchmark's own.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.running import ACCOUNT_SID, ENVIRON, KEY, configuration, digest

ROOT = Path(__file__).parents[2]
PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
FORM = (
    "To=%2B15558675310&From=%2B15557122661&"
    "Body=Your+parcel+will+be+delivered+today+between+14%3A00+and+16%3A00."
)
UPLOAD_PATH = "/mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"
MEDIA_PATH = (
    f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM00112233445566778899aabbccddeeff/Media/"
    "ME00112233445566778899aabbccddeeff"
)
UPLOADER = "Basic " + base64.b64encode(b"service-0:key-0-a").decode()
"""A consumer without form rules: an upload is streamed on unread, and cannot be judged by them."""
FIELDS = {
    "Authorization": "Basic " + base64.b64encode(f"app:{KEY}".encode()).decode(),
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "User-Agent": "twilio-python/9.13.0 (Linux x86_64) Python/3.11.7",
}
SAME_TEXT = {**FIELDS, "Gateway-Repeat": "allow"}
"""For callers that send one text again and again: the repeat guard would have them wait for each other."""


@dataclass(frozen=True)
class Cores:
    """The core of what is measured, and that of the load and the upstream; None where there is but one."""

    measured: int | None
    load: int | None

    @classmethod
    def found(cls) -> "Cores":
        """The last core this process may use, and the first."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[-1], usable[0]) if len(usable) > 1 else cls(None, None)


@dataclass(frozen=True)
class Started:
    """A running process and where it listens; `admin_url` is '' unless it is a gateway."""

    url: str
    pid: int
    admin_url: str = ""
    webhooks_url: str = ""


def by_turns(servers: Mapping[str, Started], rounds: int) -> Iterator[tuple[str, Started]]:
    """Each server once a round, in the order given and then in the reverse, so that none is always first."""
    order = list(servers.items())
    for number in range(rounds):
        yield from order if number % 2 == 0 else reversed(order)


def read_trees(entries: Sequence[str]) -> dict[str, Path]:
    """The checkouts that `--tree NAME=PATH` names."""
    return {name: Path(path).resolve() for name, _, path in (entry.partition("=") for entry in entries)}


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Children that are started meanwhile run on `core`, all their threads included."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(
    command: list[str], core: int | None, environ: Mapping[str, str] | None = None, folder: Path = ROOT
) -> Iterator[Started]:
    """A process that first says its URL, or a JSON line with one; what else it prints is read and dropped."""
    with pinned(core):
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environ or {})}, stdout=subprocess.PIPE, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        said = json.loads(line) if line.startswith("{") else {"url": line}
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):
            try:
                yield Started(said["url"], process.pid, said.get("admin", ""), said.get("webhooks", ""))
            finally:
                process.terminate()
                process.wait(180)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: Started) -> float:
    """CPU time, user and system, that a process has used so far, its threads included (proc(5))."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


@contextmanager
def started_upstream(
    core: int | None, *, delay_ms: float = 0.0, tls: tuple[str, str] | None = None
) -> Iterator[Started]:
    """The canned upstream; `tls` are the files of its certificate and key."""
    command = [sys.executable, "-m", "tests.bench.upstream", "--delay-ms", str(delay_ms)]
    with started([*command, "--tls", *tls] if tls else command, core) as upstream:
        yield upstream


@contextmanager
def started_relay(
    core: int | None, upstream: str, under: Sequence[str] = (), *, streams: bool = False
) -> Iterator[Started]:
    """The bare relay; `under` is a command that runs it, a profiler's for instance."""
    command = [*under, sys.executable, "-m", "tests.bench.bare_relay", upstream]
    with started([*command, "--stream"] if streams else command, core) as relay:
        yield relay


@contextmanager
def started_gateway(
    core: int | None,
    upstream: str,
    /,
    folder: Path,
    tree: Path = ROOT,
    under: Sequence[str] = (),
    **settings: Any,
) -> Iterator[Started]:
    """`gateway serve` with everything on, from the sources in `tree`; its configuration goes to `folder`."""
    config = folder / "gateway.yaml"
    settings = {"log": {"format": "json"}, "consumers": consumers(), **settings}
    config.write_text(yaml.safe_dump(configuration(upstream, **settings)))
    command = [*under, sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with started(command, core, ENVIRON, tree) as gateway:
        yield gateway


def consumers() -> dict[str, Any]:
    """Twenty services with two keys and a handful of rules each; `app` sends messages under form rules."""
    allow = [
        "messages:read",
        "calls:create",
        "GET api /2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/**",
        "verify",
        "lookups",
        "GET messaging /v1/Services/**",
        "* mcs /v1/Services/**",
        "messages:send",
    ]
    limits = [{"rate": "50000/s"}]  # judged and counted at each request, and never reached
    services: dict[str, Any] = {
        f"service-{number}": {
            "keys": [digest(f"key-{number}-a"), digest(f"key-{number}-b")],
            "credential": "main",
            "allow": allow,
            "limits": limits,
        }
        for number in range(19)
    }
    form = {"from": ["+15557122661", "+15557122662"], "to": ["+1", "+44"]}
    keys = [digest(KEY), digest(KEY + "-next")]
    app = {"keys": keys, "credential": "main", "allow": allow, "form": form, "limits": limits}
    return {**services, "app": app}
