"""The latest exchanges, each with a running number, and how they are found and shown. Pure.

What is shown is named here, field by field, and is no more than the log holds: SIDs are masked; there is no
phone number, query, body, header value or secret in the record to begin with.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

from gateway.consumers.credentials import mask_sid
from gateway.exchange import Exchange, Phase

MAX_KEPT = 2000
UNKNOWN_CONSUMER = "(unknown)"
"""Shown for unknown callers; no consumer can have this name."""


class Numbered(NamedTuple):
    """An exchange and its number, which grows by one with each; over restarts too, as the clock begins it."""

    seq: int
    exchange: Exchange
    shows_address: bool = True

    def as_json(self) -> dict[str, object]:
        """As /api/exchanges has it. `at` is in seconds since the epoch."""
        seq, exchange, shows_address = self
        return {
            "seq": seq,
            "at": round(exchange.ended_at_epoch, 3),
            "request_id": exchange.request_id,
            "twilio_request_id": exchange.twilio_request_id,
            "consumer": exchange.consumer or UNKNOWN_CONSUMER,
            "sdk": exchange.sdk,
            "method": exchange.method,
            "product": exchange.product,
            "route": exchange.label,
            "status": exchange.status,
            "slug": exchange.slug,
            "twilio_code": exchange.twilio_code,
            "attempts": exchange.attempts,
            "seconds": round(exchange.seconds, 6),
            "upstream_seconds": round(exchange.upstream_seconds, 6),
            "queue_seconds": round(exchange.queued_seconds, 6),
            "backoff_seconds": round(exchange.backoff_seconds, 6),
            "overhead_seconds": round(exchange.overhead_seconds, 6),
            "caller_seconds": round(exchange.caller_seconds, 6),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "account": mask_sid(exchange.account) if exchange.account else "",
            "credential": exchange.credential,
            "key": exchange.key,
            "consumer_key": exchange.consumer_key,
            "former_consumer": exchange.former_consumer,
            "address": exchange.address if shows_address else "",
            "rule": exchange.rule,
            "limit": exchange.limit,
            "resource_sid": mask_account(exchange.resource_sid),
            "created_sid": mask_account(exchange.created_sid),
            "outcome": exchange.told_outcome,
            "ending": exchange.ending,
            "unknown": exchange.unknown,
            "reported": exchange.reported,
            "trace_id": exchange.trace.trace_id if exchange.trace is not None else "",
            "steps": [_step(step, exchange.started_at) for step in exchange.steps],
        }


def mask_account(sid: str) -> str:
    """An account's SID masked, as `account` is; any other as it is."""
    return mask_sid(sid) if sid.startswith("AC") else sid


def _step(step: Phase, started_at: float) -> dict[str, object]:
    return {
        "kind": step.kind,
        "offset": round(step.started_at - started_at, 6),
        "seconds": round(step.seconds, 6),
        "status": step.status,
        "code": step.code,
        "failed": step.failed,
        "reason": step.reason,
        "key": step.key,
        "then": step.then,
    }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exchanges match; an empty field excludes nothing.

    `route` is any part of the label, whatever its case. `status` is '404' or '4xx'. `account` is masked.
    `key` is a consumer's or Twilio's, as it is shown; `sdk` a name, or name and version; `sid` what was
    addressed or created. `since` and `until` are in seconds since the epoch.
    """

    consumer: str = ""
    route: str = ""
    status: str = ""
    request_id: str = ""
    account: str = ""
    slug: str = ""
    code: int = 0
    key: str = ""
    sdk: str = ""
    sid: str = ""
    since: float = 0.0
    until: float = 0.0

    def admits(self, exchange: Exchange) -> bool:
        """Whether this exchange matches."""
        return not (
            (self.consumer and self.consumer != (exchange.consumer or UNKNOWN_CONSUMER))
            or (self.status and not _has_status(exchange.status, self.status))
            or (self.route and self.route.lower() not in exchange.label.lower())
            or (self.request_id and self.request_id != exchange.request_id)
            or (self.slug and self.slug != exchange.slug)
            or (self.code and self.code != exchange.twilio_code)
            or (self.account and self.account != mask_sid(exchange.account))
            or (self.key and self.key not in (exchange.consumer_key, exchange.key))
            or (self.sdk and self.sdk not in (exchange.sdk, exchange.sdk.partition("/")[0]))
            or (self.sid and self.sid not in map(mask_account, (exchange.created_sid, exchange.resource_sid)))
            or exchange.ended_at_epoch < self.since
            or (self.until and exchange.ended_at_epoch > self.until)
        )


def _has_status(status: int, wanted: str) -> bool:
    return status // 100 == int(wanted[0]) if wanted.endswith("xx") else status == int(wanted)


class Recent:
    """The last `MAX_KEPT` exchanges. `now` (seconds since the epoch) is when the first number is made.

    `shows_addresses` says whether callers' addresses may be shown, recorded as they are.
    """

    def __init__(
        self, now: float, most: int = MAX_KEPT, shows_addresses: Callable[[], bool] = lambda: True
    ) -> None:
        self._shows_addresses = shows_addresses
        self.last_seq = int(now * 1_000_000)  # no process numbers a million exchanges a second
        self._kept: deque[Exchange] = deque(maxlen=most)  # the last one has the number `last_seq`

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Number exchanges and keep them."""
        self.last_seq += len(exchanges)
        self._kept.extend(exchanges)

    @property
    def since(self) -> float | None:
        """When the oldest that is kept ended, in seconds since the epoch; None while nothing was dropped."""
        kept = self._kept
        return kept[0].ended_at_epoch if len(kept) == kept.maxlen else None

    def all(self) -> Iterator[Exchange]:
        """Those that are kept, oldest first."""
        return iter(self._kept)

    def find(
        self, wanted: Filter, most: int, *, after: int | None = None, before: int | None = None
    ) -> list[Numbered]:
        """Up to `most` exchanges, newest first, with numbers above `after` and below `before`."""
        return list(islice(self._matching(wanted, after, before), most))

    def count(self, wanted: Filter, *, after: int) -> int:
        """How many there are with numbers above `after`."""
        return sum(1 for _ in self._matching(wanted, after, None))

    def _matching(self, wanted: Filter, after: int | None, before: int | None) -> Iterator[Numbered]:
        shows = self._shows_addresses()
        for seq, exchange in zip(count(self.last_seq, -1), reversed(self._kept), strict=False):
            if after is not None and seq <= after:
                return
            if (before is None or seq < before) and wanted.admits(exchange):
                yield Numbered(seq, exchange, shows)
