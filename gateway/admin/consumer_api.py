"""What the page asks for when it is looked at: one consumer, the last changes, what ends, our errors' texts.

Asked for rarely, so that none of it is part of the tables that are refreshed every few seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web

from gateway.admin.api import answering
from gateway.admin.query_parameters import ALL_REPLICAS, require_known
from gateway.consumers.consumer import Consumer
from gateway.errors import KINDS
from gateway.key_usage.usage_report import describe_former, describe_keys
from gateway.observe.runtime import Runtime
from gateway.policy.snapshot import Snapshot
from gateway.redis.availability import STORE_ADVICE, StoreUnavailable
from gateway.replicas.consumer_view import ConsumerView
from gateway.replicas.report_sharing import MergedReport

_NONE: Final[frozenset[str]] = frozenset()
_REPLICA: Final = frozenset({"replica"})
_MAX_OUTCOMES: Final = 500

Result = TypeVar("Result")
Rows = list[dict[str, object]]


class ConsumerApi:
    """One per admin port, on its loop."""

    def __init__(self, runtime: Runtime, view: ConsumerView) -> None:
        self._runtime = runtime
        self._view = view

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/consumers/{name}", answering(self._consumer))
        router.add_get("/api/consumers/{name}/figures", answering(self._counted))
        router.add_get("/api/changes", answering(self._changes))
        router.add_get("/api/expiring", answering(self._expiring))
        router.add_get("/api/errors", answering(self._errors))
        router.add_get("/api/repeats", answering(self._repeats))

    async def report_usage(
        self, consumer: Consumer, snapshot: Snapshot, uses: Mapping[str, float]
    ) -> dict[str, Any]:
        """What `/-/usage` answers; how many replicas are in it, but not which."""
        found = await self._view.everywhere(consumer.name, viewed=False)
        return {
            **self._runtime.reports.describe(consumer, snapshot, uses, found.figures),
            "replicas": {"counted": len(found.replicas), "live": found.live, "as_of": round(found.as_of, 3)},
        }

    async def _consumer(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _REPLICA)
        snapshot = self._runtime.snapshot()
        consumer = self._configured(request)
        uses = await self._on_data_loop(self._runtime.limiter.read_uses(consumer.limits))
        found = await self._figures(request, consumer)
        figures = found.figures
        return {
            **self._runtime.reports.describe(consumer, snapshot, uses, figures),
            **_describe(consumer),
            **self._keys(consumer.name),
            "sdks": [{"sdk": sdk, "requests": count} for sdk, count in figures["sdks"]],
            "repeats": [
                {"route": route, "event": event, "count": count} for route, event, count in figures["repeats"]
            ],
            "latest": figures["latest"],
            "addresses": [
                {"address": address, "calls": calls, "last_at": last}
                for address, calls, last in figures["addresses"]
            ],
            **_whose(found),
        }

    async def _counted(self, request: web.Request) -> dict[str, object]:
        """What can be added up with the figures of replicas that share no store."""
        require_known(request.query, _REPLICA)
        consumer = self._configured(request)
        uses = await self._on_data_loop(self._runtime.limiter.read_uses(consumer.limits))
        found = await self._figures(request, consumer)
        return {"consumer": consumer.name, "figures": found.figures, "uses": uses, **_whose(found)}

    def _configured(self, request: web.Request) -> Consumer:
        consumer = self._runtime.snapshot().consumers.get(request.match_info["name"])
        if consumer is None:
            raise LookupError("the configuration has no consumer of this name")
        return consumer

    async def _figures(self, request: web.Request, consumer: Consumer) -> MergedReport:
        replica = request.query.get("replica", "")
        if replica == ALL_REPLICAS:
            return await self._view.everywhere(consumer.name, viewed=True)
        if replica:
            raise ValueError("replica is all here, or left out for the replica that answers")
        return await self._view.here(consumer.name)

    def _keys(self, name: str) -> dict[str, object]:
        """As `/api/keys` has them."""
        keeper, keys = self._runtime.key_usage, self._runtime.snapshot().identities.keys
        keeper.update()
        return {
            "keys": describe_keys(keeper, keys, name),
            "former": describe_former(keeper, keys, name),
            "keys_kept": keeper.kept,
            "keys_since": round(keeper.since, 3),
        }

    async def _changes(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _NONE)
        last = self._runtime.process_status.last_changes
        return {"last": last and last._asdict()}

    async def _expiring(self, request: web.Request) -> dict[str, object]:
        """Consumer keys and certificates that end, the first first; those that have ended, too."""
        require_known(request.query, _NONE)
        rows = [*self._ending_keys(), *self._ending_certificates()]
        return {"expiring": sorted(rows, key=lambda row: row["expires"])}

    def _ending_keys(self) -> Iterator[dict[str, Any]]:
        keeper = self._runtime.key_usage
        keeper.update()
        for key in describe_keys(keeper, self._runtime.snapshot().identities.keys):
            if key["expires"] is not None:
                yield {
                    "kind": "key",
                    "consumer": key["consumer"],
                    "name": key["key"],
                    "expires": key["expires"],
                }

    def _ending_certificates(self) -> Iterator[dict[str, Any]]:
        for name, expires in self._runtime.certificates().items():
            yield {"kind": "certificate", "consumer": "", "name": name, "expires": expires}

    async def _errors(self, request: web.Request) -> dict[str, object]:
        """What each slug means, with the page that says what to do."""
        require_known(request.query, _NONE)
        help_ = self._runtime.snapshot().error_help
        return {
            "errors": {
                slug: {"status": kind.status, "meaning": kind.meaning, "more_info": help_.more_info(slug)}
                for slug, kind in KINDS.items()
            }
        }

    async def _repeats(self, request: web.Request) -> dict[str, object]:
        """By consumer: what the repeat guard did since the start, and creates whose outcome is open."""
        require_known(request.query, _NONE)
        events: dict[str, Counter[str]] = {}
        for (name, _, event), count in self._runtime.reports.repeats().items():
            events.setdefault(name, Counter())[event] += count
        note, opened = "", Counter[str]()
        try:
            listed = await self._on_data_loop(self._runtime.outcomes.resolver.listed(_MAX_OUTCOMES))
            opened.update(each.subject.consumer for each in listed)
        except StoreUnavailable:
            note = f"Open outcomes are not known: {STORE_ADVICE}"
        rows: Rows = [
            {"consumer": name, "events": events.get(name, {}), "open": opened[name]}
            for name in sorted(events.keys() | opened.keys())
        ]
        return {"repeats": rows, "note": note}

    async def _on_data_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        loop = self._runtime.outcomes.loop
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def _describe(consumer: Consumer) -> dict[str, object]:
    """What the configuration says of it."""
    return {
        "credential": consumer.credential.name,
        "usernames": sorted(consumer.usernames),
        "priority": consumer.priority.name.lower(),
        "shared": consumer.shared,
        "mode": consumer.mode,
        "emit": consumer.emit,
        "legacy": consumer.legacy,
        "convert": consumer.convert,
        "rules": [rule.text for rule in consumer.rules.rules],
        "form_rules": consumer.forms is not None,
    }


def _whose(report: MergedReport) -> dict[str, object]:
    return {"replicas": report.replicas, "as_of": round(report.as_of, 3), "note": report.note}
