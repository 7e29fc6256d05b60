"""`/api/replicas`, and what can be asked of one replica or of all: tables and exchanges (`?replica=`)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from multidict import MultiDict, MultiMapping
from yarl import URL

from gateway import __version__
from gateway.admin.api import Api, answering
from gateway.admin.history_api import answer_points
from gateway.admin.query_parameters import (
    ALL_REPLICAS,
    PAGE,
    PageQuery,
    read_filter,
    read_page,
    read_replica,
    require_known,
    written_query,
)
from gateway.observe.live.recent_exchanges import Filter, Recent
from gateway.observe.runtime import Runtime
from gateway.observe.status.health import Status
from gateway.replicas.merged_tables import merge_tables, without_durations
from gateway.replicas.questions import Answers
from gateway.replicas.replica_publisher import ViewSources
from gateway.replicas.replica_view import ReplicaView
from gateway.replicas.report_sharing import ReportSources
from gateway.replicas.row_filter import Row

_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "consumers": ("consumers",),
    "routes": ("routes",),
    "credentials": ("credentials",),
    "codes": ("codes", "slugs"),
}
_REPLICA: Final = frozenset({"replica"})
_NO_EXCHANGE: Final = "no exchange with this request id is among the latest; the log has older ones"


class ReplicasApi:
    """One per admin port."""

    def __init__(self, api: Api, view: ReplicaView, runtime: Runtime) -> None:
        self._api = api
        self._view = view
        self._runtime = runtime

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/replicas", answering(self._replicas))
        for path in _TABLES:
            router.add_get(f"/api/{path}", answering(self._tables))
        router.add_get("/api/exchanges", answering(self._exchanges))
        router.add_get("/api/exchanges/{request_id}", answering(self._exchange))

    async def _replicas(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, frozenset())
        listing = await self._view.listing()
        return {**listing.as_json(), "note": self._view.note_of(listing)}

    async def _tables(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _REPLICA)
        names = _TABLES[request.path.rpartition("/")[2]]
        replica = read_replica(request.query)
        here = self._view.replica
        if replica in ("", here):
            own = self._api.tables()
            return {name: without_durations(own[name], here) for name in names}
        listing = await self._view.listing()
        if replica != ALL_REPLICAS and replica not in [each.name for each in listing.replicas]:
            raise LookupError("no replica has this name; /api/replicas lists them")
        found = await self._view.tables(listing, "" if replica == ALL_REPLICAS else replica)
        notes = [self._view.note_of(listing)]
        notes += [
            f"{name} has published no tables"
            for name in listing.live
            if replica == ALL_REPLICAS and name not in found
        ]
        return {
            **{name: merge_tables(name, found) for name in names},
            "replicas": list(found),
            "note": "; ".join(filter(None, notes)),
        }

    async def _exchanges(self, request: web.Request) -> dict[str, object]:
        wanted = read_filter(request.query, PAGE | _REPLICA)
        page, replica = read_page(request.query), read_replica(request.query)
        if replica in ("", self._view.replica):
            rows = self._api.exchanges(wanted, page)
            return {"exchanges": rows, "last_seq": self._runtime.traffic_window.recent.last_seq}
        if page.after is not None or page.before is not None:
            raise ValueError("after and before are numbers of one replica: leave `replica` out")
        self._view.watch()
        last = self._view.feed.last_number
        found = await self._search(request.query, wanted, page.limit, replica)
        return {**found, "last_seq": last}

    async def _exchange(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _REPLICA)
        wanted = Filter(request_id=request.match_info["request_id"])
        replica = read_replica(request.query)
        rows = self._api.exchanges(wanted, PageQuery(1))
        if not rows and replica:
            query: MultiDict[str] = MultiDict(request_id=wanted.request_id)
            found = await self._view.search(written_query(query), wanted, 1, _name(replica))
            rows = [dict(row) for row in found.rows]
        if not rows:
            raise LookupError(_NO_EXCHANGE)
        return rows[0]

    async def _search(
        self, query: MultiMapping[str], wanted: Filter, limit: int, replica: str
    ) -> dict[str, object]:
        asked = written_query(query, without="replica")
        found = await self._view.search(asked, wanted, limit, _name(replica))
        return {
            "exchanges": found.rows,
            "replicas": found.replicas,
            "note": found.note,
            "late": found.late,
        }


def _name(replica: str) -> str:
    return "" if replica == ALL_REPLICAS else replica


def view_sources(api: Api, runtime: Runtime, status: Status) -> ViewSources:
    """What this replica tells the others."""
    started_at = runtime.process_status.started_at

    def about() -> dict[str, object]:
        detail = status.health().detail
        return {
            "health": detail["state"],
            "version": __version__,
            "config": detail["config"],
            "started_at": started_at,
        }

    def exchanges(query: str) -> list[Row]:
        asked = URL.build(query_string=query).query
        return [*api.exchanges(read_filter(asked, PAGE), read_page(asked))]

    def recent() -> Recent:
        runtime.traffic_window.refresh()
        return runtime.traffic_window.recent

    def points(query: str) -> list[list[object]]:
        return answer_points(runtime.traffic_window, query)

    answers = Answers(exchanges, points)
    reports = ReportSources(runtime.reports.marks, runtime.reports.figures)
    shows = runtime.traffic_window.shows_addresses
    return ViewSources(about, api.tables, answers, recent, api.counted_limits, reports, shows, api.set_uses)
