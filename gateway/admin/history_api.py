"""`/api/history`: what charts show. Without parameters every second of 15 minutes; else what fits a filter.

A filter by consumer, route, status class, code, slug, consumer key and SDK is answered from six hours of
counts (`observe/live/traffic_history.py`); any other from exchanges that are kept, and the answer says so.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web
from multidict import MultiMapping
from yarl import URL

from gateway.admin.api import answering
from gateway.admin.query_parameters import (
    ALL_REPLICAS,
    read_filter,
    read_replica,
    written_query,
)
from gateway.observe.live.recent_exchanges import MAX_KEPT, UNKNOWN_CONSUMER, Filter
from gateway.observe.live.series_columns import make_columns, points_of, step_of, write_points
from gateway.observe.live.traffic_history import FINE_SECONDS, CellFilter
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.runtime import Runtime
from gateway.replicas.replica_view import ReplicaView

RANGES: Final[Mapping[str, int]] = {"1m": 60, "5m": 300, "15m": FINE_SECONDS, "1h": 3600, "6h": 21600}
_MINE: Final = frozenset({"range", "replica"})
_KEY: Final = re.compile(r"[0-9a-f]{8}")


class HistoryApi:
    """One per admin port."""

    def __init__(self, runtime: Runtime, view: ReplicaView) -> None:
        self._window = runtime.traffic_window
        self._view = view

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the path."""
        router.add_get("/api/history", answering(self._history))

    async def _history(self, request: web.Request) -> dict[str, object]:
        if not request.query:
            self._window.refresh()
            return self._window.history.columns()
        wanted = read_filter(request.query, _MINE)
        seconds, replica = _read_range(request.query), read_replica(request.query)
        query = written_query(request.query, without="replica")
        found = await self._view.points(
            query, "" if replica == ALL_REPLICAS else replica or self._view.replica
        )
        if not found.replicas:
            raise LookupError("no replica of this name answers; /api/replicas lists them")
        readings = []
        if seconds > FINE_SECONDS:  # nearer ones are told by the second
            readings = self._window.long_history.readings(seconds, self._window.refresh())
        counted = _cell_filter(wanted) is not None
        columns = make_columns(found.points, step_of(seconds), readings)
        if wanted.status:  # attempts that were made again are not told apart by how the exchange ended
            columns |= {name: [None] * len(found.points) for name in ("signals", "retries")}
        return {
            **columns,
            "source": "counts" if counted else "exchanges",
            "since": None if counted else self._window.recent.since,
            "replicas": found.replicas,
            "note": found.note,
        }


def answer_points(window: TrafficWindow, query: str) -> list[list[object]]:
    """What this replica has for a query of /api/history. Raises `ValueError` for an unknown one."""
    asked = URL.build(query_string=query).query
    wanted, seconds = read_filter(asked, _MINE), _read_range(asked)
    now = window.refresh()
    cells = _cell_filter(wanted)
    if cells is not None:
        return write_points(window.long_history.points(cells, seconds, now))
    found = window.recent.find(replace(wanted, since=0.0, until=0.0), MAX_KEPT)
    return write_points(points_of((each.exchange for each in found), seconds, now))


def _read_range(query: MultiMapping[str]) -> int:
    seconds = RANGES.get(query.get("range", "") or "15m")
    if seconds is None:
        raise ValueError(f"range is one of {', '.join(RANGES)}")
    return seconds


def _cell_filter(wanted: Filter) -> CellFilter | None:
    """None for what is not counted: one exchange, a resource, an account, one status, a key of Twilio's."""
    if wanted.request_id or wanted.sid or wanted.account:
        return None
    if (wanted.status and not wanted.status.endswith("xx")) or (
        wanted.key and not _KEY.fullmatch(wanted.key)
    ):
        return None
    consumer = None
    if wanted.consumer:
        consumer = "" if wanted.consumer == UNKNOWN_CONSUMER else wanted.consumer
    status_class = int(wanted.status[0]) if wanted.status else 0
    route = wanted.route.lower()
    return CellFilter(consumer, route, status_class, wanted.slug, wanted.code, wanted.key, wanted.sdk)
