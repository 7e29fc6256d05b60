"""Scripts that nobody waits for: sent with the next one, in order, and told of where there was no reply."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from gateway.redis.availability import StoreUnavailable
from gateway.redis.command_bytes import CallForm, call_by_text, pack, pack_call
from gateway.redis.script import Script
from tests.integration.test_redis_store import COUNT, ECHO, Watched, redis, server, watched
from tests.support.redis import RedisServer

__all__ = ["redis", "server"]

APPEND = Script.of("return redis.call('APPEND', KEYS[1], ARGV[1])")


def posted(redis: Watched, script: Script, keys: tuple[str, ...], *args: str) -> "asyncio.Future[Any]":
    """Post it; done once its reply is here."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    redis.store.post(script, keys, args, ended.set_result)
    return ended


async def test_a_posted_script_runs_before_what_is_sent_after_it(redis: Watched) -> None:
    await redis.store.run(APPEND, ("a",), ("0",))
    ended = [posted(redis, APPEND, ("a",), each) for each in ("1", "2")]
    assert await redis.store.run(APPEND, ("a",), ("3",)) == 4
    assert [each.result() for each in ended] == [2, 3]
    assert await redis.store.run(Script.of("return redis.call('GET', KEYS[1])"), ("a",), ()) == b"0123"


async def test_a_posted_script_is_sent_where_nothing_follows(redis: Watched) -> None:
    await redis.store.run(COUNT, ("a",), (1,))
    assert await asyncio.wait_for(posted(redis, COUNT, ("a",), "1"), 60) == 2


async def test_a_posted_script_that_the_server_does_not_know_is_to_be_run(
    server: RedisServer, redis: Watched
) -> None:
    server.client.script_flush()
    ended = await asyncio.wait_for(posted(redis, COUNT, ("a",), "1"), 60)
    assert isinstance(ended, StoreUnavailable)
    assert await redis.store.run(COUNT, ("a",), (1,)) == 1
    assert redis.store.state.available


async def test_a_posted_script_without_a_reply_is_told(server: RedisServer, redis: Watched) -> None:
    server.stop()
    ended = await asyncio.wait_for(posted(redis, ECHO, (), "x"), 60)
    assert isinstance(ended, StoreUnavailable)
    await redis.lose()
    with pytest.raises(StoreUnavailable):
        posted(redis, ECHO, (), "x")


async def test_what_is_posted_ends_with_the_store(redis: Watched) -> None:
    ended = posted(redis, ECHO, (), "x")
    await redis.store.close()
    assert isinstance(ended.result(), StoreUnavailable)


class Heard:
    """A relay to Redis that notes what comes in one piece."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.pieces: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_connection("127.0.0.1", self._port)

        async def answer() -> None:
            while data := await back.read(65_536):
                writer.write(data)

        answering = asyncio.create_task(answer())
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.pieces.append(data)
                on.write(data)
        on.close()
        writer.close()
        await asyncio.gather(answering, return_exceptions=True)


async def test_a_posted_script_is_written_together_with_the_next(server: RedisServer) -> None:
    heard = Heard(server.port)
    listening = await asyncio.start_server(heard.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with watched(f"redis://127.0.0.1:{port}/0") as redis:
        await redis.store.run(APPEND, ("a",), ("0",))
        heard.pieces.clear()
        ended = posted(redis, APPEND, ("a",), "1")
        assert await redis.store.run(APPEND, ("a",), ("2",)) == 3
        assert await ended == 2
        assert [piece.count(APPEND.sha.encode()) for piece in heard.pieces] == [2]
    listening.close()


def test_a_call_is_packed_like_any_command() -> None:
    """Also a text with a per cent sign, as Lua's patterns have it."""
    text, keys, args = "'%S+' %d", ("a", "öb"), (b"\x00%b\r\n", 17, "")
    packed = pack_call(APPEND.sha, keys, args)
    assert packed == pack("EVALSHA", APPEND.sha, 2, *keys, *args)
    assert call_by_text(packed, text) == pack("EVAL", text, 2, *keys, *args)


def test_a_form_is_filled_like_any_call() -> None:
    """A place may come twice, and be a part of an argument."""
    form = CallForm(pack_call(APPEND.sha, ("a-NAME",), ("100 %b", "WHEN", "is NAME")), (b"NAME", b"WHEN"))
    filled = form.fill((b"name", b" 123", b"name"))
    assert filled == pack_call(APPEND.sha, ("a-name",), ("100 %b", " 123", "is name"))
    with pytest.raises(ValueError, match="came out as"):
        form.fill((b"name", b"12345", b"name"))
