"""Consumers' figures that replicas share through the store, so that one can tell what all have counted.

Each replica writes those that changed, every ten seconds (every second while all replicas are looked at), the
longest unwritten first and a bounded number of bytes at a time. They expire with what it publishes besides.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from gateway.consumers.consumer import are_different
from gateway.observe.consumer_figures import Figures, merge_figures
from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script
from gateway.replicas.replica_listing import read_object
from gateway.replicas.view_store import CONTENT_SECONDS, key_of_reports

MOST_REPORTS: Final = 300
MOST_REPORT_BYTES: Final = 16_384
_ROUND_BYTES: Final = 262_144
_AT_ONCE: Final = 50
_MARKER: Final = "."
"""A field that no consumer can be called by: when the replica last wrote, and whether it writes of all."""

# KEYS: the reports of this replica. ARGV: how many consumers are gone, their names, then name and figures.
_WRITE: Final = Script.of(f"""
local gone = tonumber(ARGV[1])
for i = 2, gone + 1 do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = gone + 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], {CONTENT_SECONDS})
return 1
""")
# KEYS: the reports of some replicas. ARGV: the marker, and a consumer.
_READ: Final = Script.of("""
local found = {}
for i = 1, #KEYS do found[i] = redis.call('HMGET', KEYS[i], ARGV[1], ARGV[2]) end
return found
""")


class ReportSources(NamedTuple):
    """`marks` has by consumer something that changes with its figures; `figures` gives those of some."""

    marks: Callable[[], Mapping[str, object]]
    figures: Callable[[Collection[str]], Mapping[str, Figures]]


class MergedReport(NamedTuple):
    """A consumer's figures of the replicas in `replicas`, and in `note` who is missing; `live` is how many
    there are. The oldest figures are of `as_of`, in seconds since the epoch."""

    figures: dict[str, Any]
    replicas: list[str]
    live: int
    as_of: float
    note: str


class ReportSharing:
    """One per process, on the loop of the admin port. Methods raise `StoreUnavailable`."""

    def __init__(self, store: RedisStore, replica: str, sources: ReportSources) -> None:
        self._store = store
        self._replica = replica
        self._sources = sources
        self._written: dict[str, object] = {}

    def forget(self) -> None:
        """The store may have lost what was written."""
        self._written.clear()

    async def publish(self) -> None:
        """Write what has changed."""
        marks = self._sources.marks()
        kept = sorted(marks, key=lambda name: (name not in self._written, name))[:MOST_REPORTS]
        gone = [name for name in self._written if name not in marks]
        due = [name for name in self._written if name in marks and self._written[name] != marks[name]]
        due += [name for name in kept if name not in self._written]
        written: dict[str, bytes] = {}
        size = 0
        for start in range(0, len(due), _AT_ONCE):
            for name, figures in self._sources.figures(due[start : start + _AT_ONCE]).items():
                text = _write(figures)
                size += len(text)
                written[name] = text
            if size > _ROUND_BYTES:
                break
        marker = {"at": round(self._store.server_clock.now(), 3), "all": len(marks) <= MOST_REPORTS}
        pairs = [part for name, text in written.items() for part in (name, text)]
        await self._store.run(
            _WRITE,
            [key_of_reports(self._replica)],
            [len(gone), *gone, _MARKER, orjson.dumps(marker), *pairs],
            is_vital=False,
        )
        for name in gone:
            del self._written[name]
        for name in written:
            self._written.pop(name, None)  # to the end: the longest unwritten are first
            self._written[name] = marks[name]

    async def read(self, consumer: str, own: Figures, live: Sequence[str]) -> MergedReport:
        """What this replica has (`own`) and the other live ones have published."""
        now = self._store.server_clock.now()
        figures, counted, notes, as_of = [own], [self._replica], list[str](), now
        if live:
            keys = [key_of_reports(name) for name in live]
            found = await self._store.run(_READ, keys, [_MARKER, consumer], is_vital=False)
            for name, (marker_text, text) in zip(live, found, strict=True):
                marker = read_object(marker_text or b"")
                at = marker.get("at")
                if not isinstance(at, int | float) or (text is None and marker.get("all") is not True):
                    notes.append(f"{name} has published nothing of this consumer")
                    continue
                report = read_object(text or b"")
                if are_different(_whose(own), _whose(report)):  # one of the two has not reloaded yet
                    notes.append(f"{name} knows another consumer of this name")
                    continue
                figures.append(report)
                counted.append(name)
                as_of = min(as_of, at)
        return MergedReport(merge_figures(figures), counted, len(live) + 1, as_of, "; ".join(notes))


def _whose(figures: Figures) -> tuple[str, ...]:
    """Older releases do not say it."""
    identities = figures.get("of")
    return tuple(map(str, identities)) if isinstance(identities, list) else ()


def alone(own: Figures, replica: str, note: str) -> MergedReport:
    """The figures of this replica, and why there are only these."""
    return MergedReport(merge_figures([own]), [replica], 1, time.time(), note)


def _write(figures: Figures) -> bytes:
    """Without the longer lists if it is too long."""
    text = orjson.dumps(figures)
    if len(text) > MOST_REPORT_BYTES:
        text = orjson.dumps({**figures, "addresses": [], "repeats": [], "sdks": []})
    return text if len(text) <= MOST_REPORT_BYTES else b"{}"
