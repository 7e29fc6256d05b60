"""The previous release, to run beside this one, and what it writes to Redis, as it was recorded.

It is run from the history of the repository, or from a checkout that `GATEWAY_PREVIOUS` names. A clone
without history (a source archive, a shallow clone) has the recording only.

    python -m tests.support.previous_release     records anew, from the same two sources
"""

import asyncio
import atexit
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.redis import redis_server
from tests.support.running import ENVIRON, Spawned, configuration, serving
from tests.support.upstream import answer, gated, raw_upstream, reply

ROOT = Path(__file__).parents[2]
RECORDING = Path(__file__).with_name("previous_release.json")
COMMIT = "26b1c86d2e480f96ed61979b27d9342259faae30"
"""The last commit before this release."""
LANDED = "28d18c62e59c1cb4d355637774cb6f93c29c66cb"
"""The last one before replicas shared a view: it has stops, intents and open outcomes in Redis."""

RECENT = "6b0caf489cb5475755bf5cd68c133fa0b8d602b0"
"""One that has intents, audit heads and the use of keys in Redis, and publishes no figures of consumers."""


def is_in_history(commit: str) -> bool:
    """Whether it can be run from the repository."""
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    return found.returncode == 0


IS_AVAILABLE = bool(os.environ.get("GATEWAY_PREVIOUS")) or is_in_history(COMMIT)


@contextmanager
def previous_release(commit: str = COMMIT) -> Iterator[dict[str, str]]:
    """The environment in which `python -m gateway` is the previous release, or that of a commit."""
    given = os.environ.get("GATEWAY_PREVIOUS")
    if given and commit == COMMIT:
        yield {"PYTHONPATH": given}
        return
    # Bytecode is kept beside it: its modules are compiled once, and not by each of a dozen processes.
    yield {"PYTHONPATH": _extracted(commit), "PYTHONDONTWRITEBYTECODE": ""}


@functools.cache
def _extracted(commit: str) -> str:
    """A folder with the package of that commit; it goes with this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    archive = subprocess.run(["git", "archive", commit, "gateway"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


KEPT, MULTIPART, UNKNOWN, FLIGHT = "kept", "multipart", "unknown", "flight"
_FORM_BODY = b"To=%2B15551112222&From=%2B15553334444&Body=hello"
_BOUNDARY = "previous-release"
_PART = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="To"\r\n\r\n+15551112222\r\n--{_BOUNDARY}--\r\n'
)


def keyed(name: str, *fields: str, body: bytes = b"") -> bytes:
    """The request that was recorded under a name, or one with the same key and another body."""
    key = f"Idempotency-Key: recorded-{name}"
    if name == MULTIPART:
        content_type = f"Content-Type: multipart/form-data; boundary={_BOUNDARY}"
        return request(f"POST {MESSAGES}", content_type, key, *fields, body=body or _PART.encode())
    return request(f"POST {MESSAGES}", FORM, key, *fields, body=body or _FORM_BODY)


@asynccontextmanager
async def serving_previous(
    folder: Path, upstream: str, environ: dict[str, str], **settings: Any
) -> AsyncIterator[Spawned]:
    """A process of the previous release."""
    config = folder / "previous.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream, log={"format": "json"}, **settings)))
    async with serving(config, {**ENVIRON, **environ, "PYTHONSAFEPATH": "1"}) as spawned:
        yield spawned


def port_of(spawned: Spawned) -> int:
    """The data port."""
    return int(spawned.url.rpartition(":")[2])


def load_recording() -> dict[str, dict[str, Any]]:
    """By name: `record` (the hash's fields), `leased`, and `key` (of Redis)."""
    recording: dict[str, dict[str, Any]] = json.loads(RECORDING.read_text())
    return recording


def restore(client: Any, recorded: dict[str, Any]) -> None:
    """Write a recorded value to Redis, as the previous release did."""
    fields = {name: value.encode("latin-1") for name, value in recorded["record"].items()}
    client.hset(recorded["key"], mapping=fields)
    client.pexpire(recorded["key"], 3_600_000)
    if recorded["leased"]:
        client.set(recorded["key"] + ":lease", fields["owner"], px=30_000)


async def _record() -> dict[str, dict[str, Any]]:
    recorded: dict[str, dict[str, Any]] = {}
    with previous_release() as environ, redis_server() as redis, tempfile.TemporaryDirectory() as folder:
        async with (
            raw_upstream() as upstream,
            serving_previous(Path(folder), upstream.url, environ, store=redis.url) as gateway,
        ):
            for name in (KEPT, MULTIPART, UNKNOWN, FLIGHT):
                gate = asyncio.Event()
                if name == UNKNOWN:
                    upstream.then(reply(b"{}", status="500 No"))
                else:
                    body = b'{"sid": "SM1"}'
                    held = gated(b"", gate, answer(body, status="201 Created"))
                    upstream.then(held if name == FLIGHT else reply(body, status="201 Created"))
                before = {*redis.client.scan_iter("gateway:idempotency:*")}
                asking = asyncio.create_task(ask(port_of(gateway), keyed(name), "POST"))
                if name == FLIGHT:
                    await upstream.arrived(len(recorded) + 1)
                else:
                    await asking
                found = {*redis.client.scan_iter("gateway:idempotency:*")} - before
                (key,) = (each.decode() for each in found if not each.endswith(b":lease"))
                recorded[name] = {
                    "key": key,
                    "leased": bool(redis.client.exists(key + ":lease")),
                    "record": {
                        field.decode(): value.decode("latin-1")
                        for field, value in sorted(redis.client.hgetall(key).items())
                    },
                }
                gate.set()
                await asking
    return recorded


if __name__ == "__main__":
    RECORDING.write_text(json.dumps(asyncio.run(_record()), indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"recorded {RECORDING}\n")
