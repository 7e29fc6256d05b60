"""A real redis-server for tests, that can be stopped, frozen and started again on the same port."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from gateway.redis.redis_store import ANSWER_SECONDS, RedisStore
from tests.support.free_ports import free_port


class RedisServer:
    """Keeps nothing on disk. `client` is a blocking one, to look into it."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis(port=self.port)
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it accepts connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert any("Ready to accept connections" in line for line in self._process.stdout)

    def stop(self) -> None:
        """Its connections break, its data are gone."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    async def restart(self) -> None:
        """`start`, without holding up the loop."""
        await asyncio.to_thread(self.start)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, and new ones are accepted, but nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def names(self) -> set[str]:
        """The names of all keys."""
        return {name.decode() for name in self.client.scan_iter()}

    def close(self) -> None:
        """Stop it, frozen or not."""
        self.client.close()
        self.stop()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Skips the test where redis-server is not installed (not in CI)."""
    program = shutil.which("redis-server")
    if program is None:
        assert os.environ.get("CI") != "true", "redis-server is missing"
        pytest.skip("redis-server is not installed")
    server = RedisServer(program)
    try:
        server.start()
        yield server
    finally:
        server.close()


def lose_patience(store: RedisStore | None) -> None:
    """Have the store of a gateway under test wait for Redis only as long as in production."""
    assert store is not None
    store._answer_seconds = ANSWER_SECONDS
    if store._pipe is not None:
        store._pipe.set_answer_seconds(ANSWER_SECONDS)
