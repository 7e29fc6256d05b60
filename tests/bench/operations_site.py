"""Two replicas on one port, real processes, and what is changed of them: reloads, keys, restarts."""

import asyncio
import secrets
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.support.running import ACCOUNT_SID, Spawned, configuration, consumer, digest, spawned_gateway
from twilio_simulator import DEFAULT_API_KEY, DEFAULT_API_SECRET, SimulatedKey, Simulator

_OUTCOMES = ("configuration reloaded", "configuration reload failed")


class Site:
    """Two replicas, their configuration, and Twilio."""

    def __init__(self, folder: Path, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self.key = secrets.token_urlsafe(32)
        self.replicas: list[tuple[Spawned, AsyncExitStack, Path]] = []
        self._folder = folder
        self._port = port
        self._keys = [self.key]
        self._api_keys = [DEFAULT_API_KEY]
        self._queue = 1000
        self._number = 0
        self._write_secret(DEFAULT_API_KEY, DEFAULT_API_SECRET)
        self.reloaded = self.refused = 0
        self.running: set[asyncio.Task[None]] = set()
        """Exchanges of callers."""

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from `configuration`'s defaults."""
        main = {
            "account_sid": ACCOUNT_SID,
            "keys": [{"sid": sid, "secret": {"file": str(self._folder / sid)}} for sid in self._api_keys],
        }
        app = consumer(self._keys[0]) | {"keys": [digest(key) for key in self._keys]}
        return {
            "listen": f"127.0.0.1:{self._port}",
            "reuse_port": True,
            "drain_seconds": 30,
            "concurrency": {"queue": self._queue},
            "credentials": {"main": main},
            "consumers": {"app": app},
        }

    async def start_replica(self) -> None:
        """One more."""
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        stack = AsyncExitStack()
        replica = await stack.enter_async_context(
            spawned_gateway(folder, self.simulator.url, **self.settings)
        )
        self.replicas.append((replica, stack, folder / "gateway.yaml"))

    async def stop_oldest(self) -> None:
        """SIGTERM to the older one; it must end with 0."""
        replica, stack, _ = self.replicas.pop(0)
        replica.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(replica.process.wait(), 40)
        await stack.aclose()
        if code != 0:
            raise RuntimeError(f"a drained replica ended with {code}: {replica.capture.lines[-5:]}")

    async def restart(self) -> None:
        """A rolling restart: for each of the two, start a new one, then drain the old one."""
        for _ in range(2):
            await self.start_replica()
            await self.stop_oldest()

    async def close(self) -> None:
        """End all that run."""
        while self.replicas:
            await self.stop_oldest()

    async def reload(self, text: str | None = None) -> None:
        """Put a configuration in place, in one step, and have both replicas read it."""
        good = text is None
        for replica, _, path in self.replicas:
            seen = len(_outcomes(replica))
            settings = configuration(self.simulator.url, log={"format": "json"}, **self.settings)
            fresh = path.with_suffix(".new")
            fresh.write_text(yaml.safe_dump(settings) if text is None else text)
            fresh.replace(path)
            replica.process.send_signal(signal.SIGHUP)
            told = await _next_outcome(replica, seen)
            if (told["event"] == _OUTCOMES[0]) is not good:
                raise RuntimeError(f"not what was expected: {told}")
        self.reloaded += good
        self.refused += not good

    async def change_something(self) -> None:
        """A valid change."""
        self._queue += 1
        await self.reload()

    async def rotate_consumer_key(self) -> None:
        """The steps of docs/operations.md: the new key beside the old, callers move, the old one goes."""
        new = secrets.token_urlsafe(32)
        self._keys = [*self._keys, new]
        await self.reload()
        self.key = new
        await self._begun_ended()  # who still has the old key is done with it
        self._keys = [new]
        await self.reload()

    async def rotate_api_key(self) -> None:
        """The steps of docs/operations.md: made at Twilio, put first, the old one out, then deleted there."""
        new = SimulatedKey("SK" + secrets.token_hex(16), secrets.token_urlsafe(24))
        old = self._api_keys[0]
        self.simulator.directory.add_key(ACCOUNT_SID, new)
        self._write_secret(new.sid, new.secret)
        self._api_keys = [new.sid, old]
        await self.reload()
        self._api_keys = [new.sid]
        await self.reload()
        await self._begun_ended()
        self.simulator.directory.revoke_key(old)

    async def _begun_ended(self) -> None:
        if begun := set(self.running):
            await asyncio.wait(begun)

    def _write_secret(self, sid: str, secret: str) -> None:
        (self._folder / sid).write_text(secret)


def _outcomes(replica: Spawned) -> list[dict[str, Any]]:
    return [line for line in replica.capture.lines if line["event"] in _OUTCOMES]


async def _next_outcome(replica: Spawned, seen: int) -> dict[str, Any]:
    await replica.capture.until(lambda _: len(_outcomes(replica)) > seen)
    return _outcomes(replica)[seen]
