"""A gateway in front of a simulator, and the witness: what reached "Twilio", and with whose key.

It owns the consumers that these tests call as, and `Scene`. It knows no client.
"""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.running import (
    ACCOUNT_SID,
    KEY,
    Running,
    Spawned,
    consumer,
    running_gateway,
    spawned_gateway,
)
from twilio_simulator import DEFAULT_API_KEY, DEFAULT_API_SECRET, Entry, Simulator

ZERO_SID = "AC" + "0" * 32
"""Stands for the account that the gateway holds."""
READER_KEY = "gw_test-key-of-the-consumer-called-reader-45"
POSTER_KEY = "gw_test-key-of-the-consumer-called-poster-67"
LEGACY_KEY = "gw_test-key-of-the-consumer-called-legacy-89"
OLD_TOKEN = "0123456789abcdef0123456789abcdef"
"""An Auth Token that Twilio no longer takes, in a client that nobody dares to touch."""
WRONG_KEY = "gw_test-key-that-nobody-was-given-000000000"

CONSUMERS = {
    "app": consumer(),
    "reader": consumer(READER_KEY, allow=["messages:read"]),
    "poster": consumer(POSTER_KEY, emit="post"),
    "legacy": consumer(LEGACY_KEY, legacy=True),
    "fax-server": consumer(OLD_TOKEN, usernames=[ACCOUNT_SID]),
}
_KEYS = {
    "app": KEY,
    "reader": READER_KEY,
    "poster": POSTER_KEY,
    "legacy": LEGACY_KEY,
    "fax-server": OLD_TOKEN,
    ACCOUNT_SID: OLD_TOKEN,
}
_SID = re.compile(r"\b([A-Z]{2})[0-9a-f]{32}\b")


def basic_token(username: str, password: str) -> str:
    """What follows `Basic ` in an Authorization field."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


_INJECTED = f"Basic {basic_token(DEFAULT_API_KEY, DEFAULT_API_SECRET)}".encode()
_SECRETS = [secret.encode() for secret in (*_KEYS.values(), WRONG_KEY)] + [
    basic_token(name, key).encode() for name, key in _KEYS.items()
]


@dataclass(frozen=True)
class Scene:
    """The gateway, and the simulator behind it. What is told here is of requests that reached "Twilio"."""

    gateway: Running | Spawned
    simulator: Simulator

    @property
    def url(self) -> str:
        """The gateway's address, without a trailing slash."""
        return self.gateway.url

    @property
    def entries(self) -> list[Entry]:
        """The requests, oldest first; each is known to carry our credential and no secret of a consumer."""
        entries = list(self.simulator.journal)
        for entry in entries:
            _require_our_credential(entry)
        return entries

    def reached(self) -> list[str]:
        """`METHOD host target` of each; the account is written {account}, another SID by its prefix alone."""
        lines = [f"{entry.method} {entry.host} {entry.target}" for entry in self.entries]
        return [_mask(line) for line in lines]

    def created(self) -> dict[str, int]:
        """How many resources of each kind were created."""
        created = self.simulator.counts()["created"]
        assert isinstance(created, dict)
        return created

    def agents(self) -> set[str]:
        """The first word of each User-Agent: who spoke, as Twilio sees it."""
        return {dict(entry.headers).get("User-Agent", "").partition(" ")[0] for entry in self.entries}

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """The gateway's log lines of exchanges, once there are `count`."""
        capture = self.gateway.capture
        await capture.until(lambda lines: len(_exchanges(lines)) >= count)
        return _exchanges(capture.lines)

    async def refusals(self, count: int = 0) -> list[str]:
        """The slugs of our own errors, from the gateway's log, once it tells of `count` exchanges besides
        those that reached Twilio in one attempt each."""
        lines = await self.logged(len(self.entries) + count)
        return [line["gateway_error"] for line in lines if "gateway_error" in line]


def _exchanges(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "exchange"]


def _require_our_credential(entry: Entry) -> None:
    presented = [value for name, value in entry.raw_headers if name.lower() == b"authorization"]
    assert presented == [_INJECTED]
    lines = [b": ".join(field) for field in entry.raw_headers]
    everything = b"\n".join([entry.target.encode(), *lines, entry.raw_body])
    assert not [secret for secret in _SECRETS if secret in everything]


@asynccontextmanager
async def open_scene(folder: Path | None = None, **settings: Any) -> AsyncIterator[Scene]:
    """A simulator, and a gateway in front of it with the consumers above: in this process, or as one of its
    own if it is given a folder."""
    async with Simulator() as simulator:
        gateway: AbstractAsyncContextManager[Running | Spawned]
        if folder is None:
            gateway = running_gateway(simulator.url, consumers=CONSUMERS, **settings)
        else:
            gateway = spawned_gateway(folder, simulator.url, consumers=CONSUMERS, **settings)
        async with gateway as opened:
            scene = Scene(opened, simulator)
            yield scene
            await scene.refusals()  # judges every entry once more: nothing that a test did may leak a key
            log = json.dumps(opened.capture.lines).encode()
            secrets = (*_SECRETS, _INJECTED, DEFAULT_API_SECRET.encode())
            assert not [secret for secret in secrets if secret in log]


def mask_sids(value: Any) -> Any:
    """A value of JSON's types with SIDs as `Scene.reached` writes them."""
    return json.loads(_mask(json.dumps(value, ensure_ascii=False)))


def _mask(text: str) -> str:
    return _SID.sub(r"\1…", text.replace(ACCOUNT_SID, "{account}"))


_MOVES_ON = frozenset({"status", "date_sent", "date_updated"})


def same_message(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers show one message: byte for byte, but for what changes while it is sent."""
    return one.keys() == other.keys() and all(one[name] == other[name] for name in one.keys() - _MOVES_ON)
