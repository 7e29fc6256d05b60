"""The least that guarding through Redis can cost: a server that only answers, with the two scripts around it.

`python -m tests.bench.guard_floor MODE [--store URL]` prints its URL and serves until it is ended. It reads
no request, makes no task and no future; its scripts are the guard's own, packed before, but for an id. MODE:
`none` (no script), `apart` (BEGIN is waited for, FORGET written by itself) or `riding` (FORGET is written
with the next BEGIN). `python -m tests.bench.guard_cost --floor` measures it as it measures gateways.
"""

import argparse
import asyncio
import itertools
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import hiredis
import uvloop

from gateway.redis.command_bytes import pack, pack_call
from gateway.repeat_guard.intent_scripts import BEGIN, FORGET

_ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
_TEXT = b"x" * 300
_ID = "0" * 32
_BASE = "gateway:repeat:{" + "a" * 24 + "}:"


def _templates() -> tuple[bytes, bytes]:
    """BEGIN and FORGET of a create, with places for its id where it varies."""
    scope = f"{_BASE}intent:{_ID}"
    open_, leases, kept = (f"{_BASE}{name}" for name in ("open", "leases", "kept"))
    now = round(time.time() * 1000)
    begin = pack_call(
        BEGIN.sha,
        (scope, open_, leases, f"{_BASE}released:{_ID}"),
        (now, 3000, 300_000, _TEXT, _ID, "an-identity"),
    )
    forget = pack_call(FORGET.sha, (scope, open_, leases, kept), (now, "", _ID))
    return begin, forget


class Store(asyncio.Protocol):
    """A connection to Redis; `waiting` are callers whose BEGIN is under way, None for other commands."""

    def __init__(self) -> None:
        self.waiting: deque[Caller | None] = deque()
        self._reader = hiredis.Reader()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            if isinstance(answer, Exception):
                raise answer
            if (caller := self.waiting.popleft()) is not None:
                caller.begun()


class Caller(asyncio.Protocol):
    """One caller. Each of its requests comes whole."""

    numbers = itertools.count()

    def __init__(self, mode: str, store: Store, to_store: asyncio.Transport | None) -> None:
        self._rides = mode == "riding"
        self._store = store
        self._to_store = to_store
        self._begin, self._forget = _templates()
        self._id = self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._to_store is None:
            self._transport.write(_ANSWER)
            return
        self._id = b"%032x" % next(self.numbers)
        begin, end = self._begin.replace(_ID.encode(), self._id), self._end
        self._end = b""
        self._store.waiting += (None, self) if end else (self,)
        self._to_store.write(end + begin)

    def begun(self) -> None:
        """The script has entered it, so that it may be answered."""
        assert self._to_store is not None
        self._transport.write(_ANSWER)
        forget = self._forget.replace(_ID.encode(), self._id)
        if self._rides:
            self._end = forget
        else:
            self._store.waiting.append(None)
            self._to_store.write(forget)


async def serve(mode: str, url: str) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    store = Store()
    to_store = None
    if mode != "none":
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        to_store, _ = await loop.create_connection(lambda: store, place.hostname, place.port)
        for script in (BEGIN, FORGET):
            to_store.write(pack("SCRIPT", "LOAD", script.text))
            store.waiting.append(None)
    server = await loop.create_server(lambda: Caller(mode, store, to_store), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("none", "apart", "riding"))
    parser.add_argument("--store", default="")
    args = parser.parse_args()
    uvloop.run(serve(args.mode, args.store))


if __name__ == "__main__":
    main()
