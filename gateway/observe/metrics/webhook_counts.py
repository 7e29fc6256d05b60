"""What finished events add up to: plain numbers in dicts, fed on the data loop, read at a scrape.

Their keys are routes and secrets of the configuration, and fixed sets: bounded, whatever is sent to the port.
"""

from bisect import bisect_left
from typing import Final, NamedTuple, TypeVar

from gateway.webhooks.webhook_record import WebhookEvent, WebhookOutcome

_Name = TypeVar("_Name")

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)


class WebhookDurations(NamedTuple):
    """`counts` for each bucket and the last for +Inf, not accumulated; their sum in seconds."""

    counts: list[int]
    seconds: list[float]


class WebhookCounts:
    """Written by one thread, read by any. The dicts may be copied, never iterated over."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, WebhookOutcome, int], int] = {}
        """By (route, outcome, status class)."""
        self.signatures: dict[tuple[str, str], int] = {}
        """Verified events by (account, where the secret comes from)."""
        self.would_refuse: dict[str, int] = {}
        """By route: events that `mode: report` let through."""
        self.connect_retries: dict[str, int] = {}
        self.unreachable: dict[str, int] = {}
        """By route: URLs in answers that Twilio cannot reach."""
        self.total: dict[str, WebhookDurations] = {}
        self.service: dict[str, WebhookDurations] = {}

    def add(self, event: WebhookEvent) -> None:
        """Count one finished event."""
        route = event.route
        _add(self.events, (route, event.outcome, event.status // 100))
        _measure(self.total, route, event.seconds)
        if event.attempts:
            _measure(self.service, route, event.service_seconds)
            if event.attempts > 1:
                _add(self.connect_retries, route, event.attempts - 1)
        if event.secret:
            _add(self.signatures, (event.account, event.secret))
        if event.would_refuse:
            _add(self.would_refuse, route)
        if event.unreachable:
            _add(self.unreachable, route, len(event.unreachable))


def _measure(table: dict[str, WebhookDurations], route: str, seconds: float) -> None:
    cell = table.get(route)
    if cell is None:
        cell = table[route] = WebhookDurations([0] * (len(SECONDS) + 1), [0.0])
    cell.counts[bisect_left(SECONDS, seconds)] += 1
    cell.seconds[0] += seconds


def _add(sums: dict[_Name, int], name: _Name, count: int = 1) -> None:
    sums[name] = sums.get(name, 0) + count
