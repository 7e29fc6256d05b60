"""What every test over real sockets needs: a scripted upstream, and a gateway in front of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from unittest.mock import patch

import pytest

from gateway.redis import redis_store
from gateway.redis.redis_store import RedisStore
from tests.support.idempotency import module_server, one, server, two
from tests.support.jwt import KeyServer, ec_key, key_server, rsa_key
from tests.support.limits import lasting_limits
from tests.support.moved_clock import MovedClock
from tests.support.redis import RedisServer
from tests.support.repeat_guard import guard_one, guard_two
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, raw_upstream

__all__ = [
    "clock",
    "gateway",
    "guard_one",
    "guard_two",
    "lasting_limits",
    "module_server",
    "one",
    "server",
    "two",
    "upstream",
]


@pytest.fixture(scope="package", autouse=True)
def few_system_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The system trusts nobody, here and in processes started from here: no test goes to the Internet.

    Reading what it usually trusts takes OpenSSL 30 ms: a third of the start of a gateway in this process.
    """
    empty = tmp_path_factory.mktemp("trust")
    (empty / "certificates.pem").touch()
    names = {"SSL_CERT_FILE": str(empty / "certificates.pem"), "SSL_CERT_DIR": str(empty)}
    with patch.dict(os.environ, names):
        yield


@pytest.fixture(scope="package", autouse=True)
def patient_probes() -> Iterator[None]:
    """A Redis that answers a second late on a busy machine is none that is away."""
    with patch.object(redis_store, "PROBE_SECONDS", 60.0):
        yield


@pytest.fixture
async def clock() -> MovedClock:
    """The loop's clock, to be moved. Ask for it before the fixtures whose deadlines are to pass."""
    return MovedClock(asyncio.get_running_loop())


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """Answers `{}` until it is given a script."""
    async with raw_upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway in front of `upstream`, whose deadlines pass only by a moved clock."""
    async with running_gateway(
        upstream.url, upstream={"deadline_seconds": 30, "idle_seconds": 30}, callers={"body_seconds": 30}
    ) as gateway:
        yield gateway


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    """A store of that Redis, which waits long for it."""
    store = RedisStore(server.url, lambda state: None, answer_seconds=20)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def issuing() -> AsyncIterator[KeyServer]:
    """An issuer with one RSA key and one EC key."""
    async with key_server(rsa_key(), ec_key()) as server:
        yield server
