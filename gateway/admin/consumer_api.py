"""What the page asks for when it is looked at: one consumer, the last changes, what ends, our errors' texts.

Asked for rarely, so that none of it is part of the tables that are refreshed every few seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar

from aiohttp import web

from gateway.admin.api import answering
from gateway.admin.query_parameters import require_known
from gateway.consumers.consumer import Consumer
from gateway.errors import KINDS
from gateway.exchange import Exchange
from gateway.key_usage.usage_report import describe_former, describe_keys
from gateway.observe.live.breakdowns import Breakdown
from gateway.observe.live.recent_exchanges import MAX_KEPT, Filter
from gateway.observe.runtime import Runtime
from gateway.redis.availability import StoreUnavailable

_NONE: Final[frozenset[str]] = frozenset()
_MAX_ADDRESSES: Final = 20
_MAX_OUTCOMES: Final = 500

Result = TypeVar("Result")
Rows = list[dict[str, object]]


class ConsumerApi:
    """One per admin port, on its loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/consumers/{name}", answering(self._consumer))
        router.add_get("/api/changes", answering(self._changes))
        router.add_get("/api/expiring", answering(self._expiring))
        router.add_get("/api/errors", answering(self._errors))
        router.add_get("/api/repeats", answering(self._repeats))

    async def _consumer(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _NONE)
        snapshot = self._runtime.snapshot()
        consumer = snapshot.consumers.get(request.match_info["name"])
        if consumer is None:
            raise LookupError("no consumer is called so in the configuration")
        uses = await self._on_data_loop(self._runtime.limiter.read_uses(consumer.limits))
        report = self._runtime.reports.describe(consumer, snapshot, uses)
        latest = self._latest(consumer.name)
        return {**report, **self._describe(consumer), **_callers(latest), **self._keys(consumer.name)}

    def _latest(self, name: str) -> list[Exchange]:
        recent = self._runtime.traffic_window.recent
        return [each.exchange for each in recent.find(Filter(consumer=name), MAX_KEPT)]

    def _describe(self, consumer: Consumer) -> dict[str, object]:
        window = self._runtime.traffic_window
        breakdown = window.tables.consumers(window.refresh()).get(consumer.name, Breakdown())
        forms = consumer.forms
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
            "form_rules": forms is not None,
            "sdks": [
                {"sdk": sdk, "requests": count}
                for sdk, count in sorted(breakdown.sdks.items(), key=lambda item: -item[1])
            ],
            "repeats": [
                {"route": route, "event": event, "count": count}
                for (name, route, event), count in self._runtime.reports.counts.repeats.copy().items()
                if name == consumer.name
            ],
        }

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
        for (name, _, event), count in self._runtime.reports.counts.repeats.copy().items():
            events.setdefault(name, Counter())[event] += count
        note, opened = "", Counter[str]()
        try:
            listed = await self._on_data_loop(self._runtime.outcomes.resolver.listed(_MAX_OUTCOMES))
            opened.update(each.subject.consumer for each in listed)
        except StoreUnavailable:
            note = "the shared store does not answer: open outcomes are not known"
        rows: Rows = [
            {"consumer": name, "events": events.get(name, {}), "open": opened[name]}
            for name in sorted(events.keys() | opened.keys())
        ]
        return {"repeats": rows, "note": note}

    async def _on_data_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        loop = self._runtime.outcomes.loop
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def _callers(latest: list[Exchange]) -> dict[str, object]:
    """Where the latest exchanges came from."""
    counts = Counter(each.address for each in latest if each.address)
    last = {each.address: each.ended_at_epoch for each in reversed(latest)}
    return {
        "latest": len(latest),
        "addresses": [
            {"address": address, "calls": count, "last_at": last[address]}
            for address, count in counts.most_common(_MAX_ADDRESSES)
        ],
    }
