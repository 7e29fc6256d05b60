"""The connection to a real Redis that stops, freezes, loses its scripts and comes back."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from gateway.redis.answer_forms import optional, row, text
from gateway.redis.availability import StoreState, StoreUnavailable, UnusableKey
from gateway.redis.redis_store import ANSWER_SECONDS, RedisStore
from gateway.redis.script import Script
from gateway.redis.store_probe import PROBE_KEYS
from tests.support.moved_clock import stopped_time
from tests.support.redis import RedisServer, redis_server

COUNT = Script.of("return redis.call('INCRBY', KEYS[1], ARGV[1])")
ECHO = Script.of("return ARGV[1]")
PATIENT_SECONDS = 30.0
"""For tests in which Redis does answer: on a busy machine that can take longer than `ANSWER_SECONDS`."""


class Watched:
    """A store, and what it told of itself."""

    def __init__(self, url: str, answer_seconds: float) -> None:
        self.told: list[StoreState] = []
        self._changed = asyncio.Event()
        self.store = RedisStore(url, self._note, answer_seconds=answer_seconds, probe_every_seconds=0.02)

    def _note(self, state: StoreState) -> None:
        self.told.append(state)
        self._changed.set()

    async def until(self, available: bool) -> None:
        async with asyncio.timeout(120):
            while self.store.state.available is not available:
                self._changed.clear()
                await self._changed.wait()

    async def lose(self) -> None:
        """Ask until it is known to be away."""
        while self.store.state.available:
            with pytest.raises(StoreUnavailable):
                await self.store.run(ECHO, (), ("x",))

    async def echo(self, word: str) -> bytes:
        """The first answer that comes in time."""
        while True:
            await self.until(available=True)
            with suppress(StoreUnavailable):
                answer: bytes = await self.store.run(ECHO, (), (word,))
                return answer


@asynccontextmanager
async def watched(url: str, answer_seconds: float = PATIENT_SECONDS) -> AsyncIterator[Watched]:
    made = Watched(url, answer_seconds)
    await made.store.open()
    try:
        yield made
    finally:
        await made.store.close()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Watched]:
    async with watched(server.url) as made:
        yield made


async def test_answers_are_each_callers_own(redis: Watched) -> None:
    answers = await asyncio.gather(*[redis.store.run(ECHO, (), (str(each),)) for each in range(500)])
    assert answers == [str(each).encode() for each in range(500)]


async def test_scripts_are_loaded_when_missing(server: RedisServer, redis: Watched) -> None:
    assert await redis.store.run(COUNT, ("a",), (1,)) == 1
    server.client.script_flush()
    assert await redis.store.run(COUNT, ("a",), (1,)) == 2


async def test_a_caller_that_leaves_takes_only_its_own_answer(redis: Watched) -> None:
    tasks = [asyncio.create_task(redis.store.run(ECHO, (), (str(each),))) for each in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1::2] == [str(each).encode() for each in range(1, 20, 2)]
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert await redis.store.run(ECHO, (), ("next",)) == b"next"


async def test_frozen_and_thawed(server: RedisServer) -> None:
    async with watched(server.url, ANSWER_SECONDS) as redis:
        server.freeze()
        waited = 0
        with stopped_time() as clock:
            asking = asyncio.create_task(redis.store.run(COUNT, ("a",), (1,)))
            while not asking.done():
                clock.advance(0.001)
                waited += 1
                await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await asking
        assert 80 <= waited < 500
        await redis.lose()
        with pytest.raises(StoreUnavailable):  # at once, without a question
            redis.store.run(COUNT, ("a",), (1,)).send(None)
        server.thaw()
        await redis.until(available=True)
        assert [state.available for state in redis.told] == [False, True]
        assert await redis.echo("mine") == b"mine"  # and not an answer from before


async def test_stopped_and_restarted(server: RedisServer, redis: Watched) -> None:
    server.stop()
    await redis.lose()
    assert "refused" in redis.store.state.reason.lower() or "connect" in redis.store.state.reason.lower()
    await server.restart()
    await redis.until(available=True)
    assert await redis.store.run(COUNT, ("a",), (1,)) == 1


async def test_a_restart_that_nobody_noticed(server: RedisServer, redis: Watched) -> None:
    """Nothing was asked meanwhile: the next question opens a new connection."""
    assert await redis.store.run(COUNT, ("a",), (1,)) == 1
    await asyncio.to_thread(server.stop)  # the loop runs, and sees the connection end
    await server.restart()
    assert await redis.store.run(COUNT, ("a",), (1,)) == 1
    assert redis.told == []


async def test_a_replica_that_takes_no_writes_is_away(server: RedisServer, redis: Watched) -> None:
    server.client.replicaof("127.0.0.1", 1)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await redis.store.run(COUNT, ("a",), (1,))
    assert not redis.store.state.available
    server.client.replicaof("NO", "ONE")
    await redis.until(available=True)


async def test_c11_a_full_redis_is_away_until_it_has_room(server: RedisServer, redis: Watched) -> None:
    """Not in turns: the probe needs room as requests do."""
    server.client.config_set("maxmemory", 1)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await redis.store.run(COUNT, ("a",), (1,))
    assert "OOM" in await redis.store._probe()
    assert [state.available for state in redis.told] == [False]
    server.client.config_set("maxmemory", 0)
    await redis.until(available=True)


async def test_away_at_the_start(server: RedisServer) -> None:
    server.stop()
    async with watched(server.url) as redis:
        assert [state.available for state in redis.told] == [False]
        await server.restart()
        await redis.until(available=True)


async def test_a_wrong_password_is_told_and_not_shown(server: RedisServer) -> None:
    server.client.config_set("requirepass", "right")
    async with watched(server.url.replace("redis://", "valkey://:canary@")) as redis:
        (state,) = redis.told
        assert "WRONGPASS" in state.reason.upper() or "password" in state.reason
        assert "canary" not in state.reason + repr(redis.store)
    async with watched(server.url.replace("redis://", "valkey://:right@")) as redis:
        assert await redis.store.run(ECHO, (), ("in",)) == b"in"
    server.client.execute_command("AUTH", "right")


async def test_options_in_the_url_change_nothing_of_ours(server: RedisServer) -> None:
    async with watched(server.url + "?decode_responses=yes&protocol=3&socket_timeout=5") as redis:
        assert await redis.store.run(ECHO, (), ("x",)) == b"x"


async def test_closed_with_a_question_open(server: RedisServer) -> None:
    async with watched(server.url) as redis:
        server.freeze()
        asking = asyncio.create_task(redis.store.run(ECHO, (), ("x",)))
        await asyncio.sleep(0)
        await redis.store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await asking
        with pytest.raises(StoreUnavailable, match="closed"):
            await redis.store.run(ECHO, (), ("x",))


async def test_a_connection_that_takes_long_to_open_is_kept(server: RedisServer) -> None:
    """The probe's connection serves callers: they open no other, and have only its answers to wait for."""
    async with watched(server.url, answer_seconds=1.0) as redis:
        server.freeze()
        await redis.lose()
        server.thaw()
        await redis.until(available=True)
        for _ in range(10):
            await redis.store.run(COUNT, ("a",), (1,))
        clients = [each for each in server.client.client_list() if each["cmd"].startswith("eval")]
        assert len(clients) == 1


@pytest.mark.parametrize("missing", ["mget", "hget", "exists", "zadd", "set", "del"])
async def test_c11_a_user_without_one_right_is_told_which(server: RedisServer, missing: str) -> None:
    """Some scripts would work and others not: a store that is used by halves counts twice."""
    rights = ("on", ">pass", "~gateway:*", "+@all", f"-{missing}")
    server.client.execute_command("ACL", "SETUSER", "some", *rights)
    async with watched(server.url.replace("redis://", "redis://some:pass@")) as redis:
        assert [state.available for state in redis.told] == [False]
        assert redis.store.state.reason == f"the Redis user has no right to {missing.upper()}"
        server.client.execute_command("ACL", "SETUSER", "some", f"+{missing}")
        await redis.until(available=True)


async def test_c11_what_a_server_says_instead_of_an_answer_reaches_everybody_who_waits() -> None:
    """While it loads its data set it takes connections, and answers every command by an error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(65_536):
                writer.write(says)
        writer.close()

    says = b"*0\r\n"
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with watched(f"redis://127.0.0.1:{port}/0") as redis:
        assert redis.told == []
        for said in (b"-LOADING Redis is loading the dataset in memory\r\n", b"HTTP/1.1 400 Bad Request\r\n"):
            says = said
            async with asyncio.timeout(120):
                asked = [redis.store.run(ECHO, (), ("x",)) for _ in range(3)]
                answers = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailable}
    listening.close()


@pytest.mark.parametrize("says", [":1", "*1\r\n:1", "+OK", "$1\r\nx"])
async def test_c11_an_answer_of_another_form_is_none(says: str) -> None:
    """It may be the answer to another question, so that the connection ends, and all who wait are told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while asked := await reader.read(65_536):
                probed = PROBE_KEYS[1].encode() in asked or b"TIME" in asked
                writer.write(b"*0\r\n" if probed else says.encode() + b"\r\n")
        writer.close()

    script = Script.of("return false", optional(row(text, text)))
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with watched(f"redis://127.0.0.1:{port}/0") as redis, asyncio.timeout(120):
        assert redis.told == []
        asked = [redis.store.run(script, (), ("x",)) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {str(answer) for answer in answers} == {"the answer to a script is of another form"}
        await redis.until(available=False)
        assert redis.told[0].reason == "the answer to a script is of another form"
        posted: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        await redis.until(available=True)
        redis.store.post(script, (), ("x",), posted.set_result)
        assert isinstance(await posted, StoreUnavailable)
    listening.close()


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_port_that_speaks_first_is_told_from_one_that_is_silent(runs: Callable[[Any], None]) -> None:
    """As those of SSH and of mail do."""

    async def connect() -> None:
        async with watched(f"redis://127.0.0.1:{listening.getsockname()[1]}/0") as redis:
            (state,) = redis.told
            assert "spoke before" in state.reason or "Protocol error" in state.reason

    def greet() -> None:
        caller, _ = listening.accept()
        with caller:
            caller.sendall(b"220 a greeting\r\n")
            caller.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        greeting = threading.Thread(target=greet)
        greeting.start()
        runs(connect())
        greeting.join()


async def test_c8_a_server_that_takes_the_place_of_another_is_asked_for_its_time(
    redis: Watched, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover behind one address, to a server whose clock is another, must not wait for the next round."""
    monkeypatch.setattr(redis.store.server_clock, "_offset", -1000.0)  # as the first server had it
    server.client.client_kill_filter(skipme=True)
    async with asyncio.timeout(120):
        while abs(redis.store.server_clock.ahead_seconds) > 1:
            with suppress(StoreUnavailable):  # it may find out only now that its connection has ended
                await redis.store.run(ECHO, (), ("x",))
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "script",
    [
        "return redis.call('HGET', KEYS[1], 'a')",
        "return tonumber(redis.call('GET', KEYS[1])) < 5",
        "return redis.call('GET', KEYS[1]) + 1",
        "return redis.call('INCR', KEYS[1])",
    ],
    ids=["type", "compared", "computed", "increased"],
)
async def test_c11_a_key_of_another_form_is_no_outage(
    redis: Watched, server: RedisServer, script: str
) -> None:
    """It does not count as a store that refuses all; the other keys are used as before."""
    server.client.set("gateway:odd", "words")
    for _ in range(5):
        with pytest.raises(UnusableKey):
            await redis.store.run(Script.of(script), ["odd"], ())
    assert redis.told == []
    assert await redis.store.run(COUNT, ["even"], (2,)) == 2
