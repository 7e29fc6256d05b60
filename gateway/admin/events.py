"""`/api/events`: server-sent events, a tick a second and the exchanges since the one before.

(https://html.spec.whatwg.org/multipage/server-sent-events.html) One clock ticks for all streams; each
writes at its own pace. A reader that falls behind is disconnected and may reconnect: with `Last-Event-ID` or
`after` it misses nothing.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from aiohttp import web

from gateway.admin.api import Api, json_response
from gateway.admin.query_parameters import ALL_REPLICAS, read_filter, read_limit, read_number, read_replica
from gateway.background.loops import BackgroundLoop
from gateway.observe.live.recent_exchanges import Filter
from gateway.observe.runtime import Runtime
from gateway.observe.status.health import Status
from gateway.replicas.replica_view import ReplicaView
from gateway.replicas.row_filter import Row

MAX_STREAMS = 50
_MAX_EXCHANGES = 50
_MOST_EXCHANGES = 500
_SLOW_SECONDS = 5.0
_BUFFER_BYTES = 65_536
_RETRY_MS = 2000
_HEARTBEAT_TICKS = 15
_AFTER_SECOND = 0.15  # what ended in a second has reached us by then
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class _Wanted(NamedTuple):
    """What a reader follows: this replica, or all, or another, as the view has them."""

    filter: Filter
    replica: str
    most: int


class Events:
    """One per admin port; everything runs on its loop."""

    def __init__(self, runtime: Runtime, status: Status, api: Api, view: ReplicaView) -> None:
        self._runtime = runtime
        self._api = api
        self._view = view
        self._merged_streams = 0
        self._status = status
        self._streams = 0
        self._ticked = asyncio.Condition()
        self._tick = b""
        self._replicas = b""
        self._ticks = 0
        self._closing = False
        self._ticking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tick, on the running loop."""
        self._ticking = self._runtime.loops.start("admin_events", 5.0, self._run)

    async def close(self) -> None:
        """End the streams, each after what it is writing."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        self._closing = True
        async with self._ticked:
            self._ticked.notify_all()

    async def _run(self, loop: BackgroundLoop) -> None:
        while True:
            now = time.time()
            await asyncio.sleep(1 - now % 1 + _AFTER_SECOND)
            self._runtime.traffic_window.close_second(self._runtime.read_limiters())
            self._tick = self._make_tick() if self._streams else b""
            self._replicas = await self._make_replicas() if self._merged_streams else b""
            self._ticks += 1
            async with self._ticked:
                self._ticked.notify_all()
            loop.beat()

    def _make_tick(self) -> bytes:
        last = self._runtime.traffic_window.history.last
        point = last.as_json() if last is not None else None
        return _event("tick", {"state": self._status.describe(), "point": point})

    async def _make_replicas(self) -> bytes:
        """The event that goes with a tick to those who follow all replicas."""
        self._view.watch()
        listing = await self._view.listing()
        return _event("replicas", {**listing.as_json(), "note": self._view.note_of(listing)})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream until the reader leaves, is too slow, or the gateway stops."""
        try:
            wanted = read_filter(request.query, frozenset({"after", "limit", "replica"}))
            replica = read_replica(request.query)
            most = read_limit(request.query, _MAX_EXCHANGES, _MOST_EXCHANGES)
            after = read_number(request.query, "after")
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        if self._streams >= MAX_STREAMS:
            return json_response({"error": f"{MAX_STREAMS} readers are being served; try again later"}, 503)
        resumed = request.headers.get("Last-Event-ID", "")
        if resumed.isascii() and resumed.isdigit() and len(resumed) <= 16:
            after = int(resumed)
        merged = replica not in ("", self._view.replica)
        self._streams += 1
        self._merged_streams += merged
        try:
            return await self._stream(request, _Wanted(wanted, replica if merged else "", most), after)
        finally:
            self._streams -= 1
            self._merged_streams -= merged

    async def _stream(self, request: web.Request, wanted: _Wanted, after: int | None) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        _bound_buffer(request)
        self._runtime.traffic_window.refresh()
        seq = self._last_number(wanted) if after is None else after
        ticks = self._ticks
        block = b"retry: %d\n\n" % _RETRY_MS + self._make_tick()
        if wanted.replica:
            block += await self._make_replicas()
        while True:
            exchanges, seq = self._make_exchanges(wanted, seq)
            if not await _written(response, block + exchanges, request):
                return response
            async with self._ticked:
                # The function is used up before `ticks` changes.
                await self._ticked.wait_for(lambda: self._closing or self._ticks != ticks)  # noqa: B023
            if self._closing:
                return response
            ticks = self._ticks
            block = self._tick or self._make_tick()
            if wanted.replica:
                block += self._replicas
            if ticks % _HEARTBEAT_TICKS == 0:
                block = b": still here\n\n" + block

    def _last_number(self, wanted: _Wanted) -> int:
        return self._view.feed.last_number if wanted.replica else self._runtime.traffic_window.recent.last_seq

    def _make_exchanges(self, wanted: _Wanted, seq: int) -> tuple[bytes, int]:
        """The event with what came after `seq`, and up to which number that goes."""
        last = self._last_number(wanted)
        rows: Sequence[Row]
        if wanted.replica:
            name = "" if wanted.replica == ALL_REPLICAS else wanted.replica
            rows, skipped = self._view.feed.find(wanted.filter, name, wanted.most, seq)
        else:
            recent = self._runtime.traffic_window.recent
            found = recent.find(wanted.filter, wanted.most, after=seq)
            more = len(found) == wanted.most
            skipped = recent.count(wanted.filter, after=seq) - len(found) if more else 0
            rows = [self._api.row(each) for each in found]
        if not rows:
            return b"", last
        return _event("exchanges", {"exchanges": rows, "skipped": skipped}, last), last


def _bound_buffer(request: web.Request) -> None:
    """Else the kernel takes megabytes for a reader that does not read, and minutes until we notice."""
    connection = request.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


async def _written(response: web.StreamResponse, block: bytes, request: web.Request) -> bool:
    """Whether the reader took it in time; else its connection is broken off."""
    try:
        async with asyncio.timeout(_SLOW_SECONDS):
            await response.write(block)
    except ConnectionError:
        return False
    except TimeoutError:
        _break_off(request)
        return False
    return True


def _break_off(request: web.Request) -> None:
    """By RST: otherwise the kernel keeps what was written until it is read."""
    connection = request.get_extra_info("socket")
    if connection is not None and request.transport is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def _event(name: str, content: object, number: int | None = None) -> bytes:
    numbered = b"" if number is None else b"id: %d\n" % number
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), numbered, orjson.dumps(content))
