"""Metric families of what exchanges add up to: their names, help texts and labels.

Made at each scrape, on the admin thread, while the data loop goes on counting: whatever is iterated over is
a copy. Owns the Prometheus names of what `exchange_counts.py` counts; counts nothing itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gateway.errors import KINDS, FailurePhase
from gateway.exchange import Ending
from gateway.http.request_head import DropReason
from gateway.http.user_agent import split_sdk
from gateway.idempotency.claim_rules import IdempotencyEvent
from gateway.observe.metrics.configuration_info import ConfigurationRecord
from gateway.observe.metrics.cooperative import yielding
from gateway.observe.metrics.exchange_counts import (
    DURATIONS,
    NONE,
    OTHER,
    OTHER_CODE,
    Duration,
    Durations,
    ExchangeCounts,
    distribution,
)
from gateway.twilio.sdks import post_repeats
from gateway.upstream.key_health import KeyEvent

_OUTCOMES = ("2xx", "3xx", "4xx", "429", "5xx", *FailurePhase, "abandoned")
_REASONS = ("signal", "key_refused", "502", "503", "504", *FailurePhase)
_REPORTED = ("not_allowed", "form_rule", "rate_limited")
_REQUEST_LABELS = ("product", "method", "status_class")
_DURATION_TEXTS = {
    "request": "Time from a request's head to the end of its answer.",
    "upstream": "Time at Twilio, all attempts of an exchange together; of exchanges that were sent.",
    "queue": "Time waited for a slot or a rate limit; of exchanges that came so far.",
    "overhead": "Time spent in the gateway itself, excluding Twilio, queues, backoff and slow callers.",
}


Rows = Iterable[tuple[Sequence[str], float]]
"""The values of a sample's labels, and its own."""


def counter(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """A family of counters (`name` without `_total`), one sample for each row."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in yielding(rows):
        family.add_metric(values, count)
    return family


def gauge(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """A family of gauges."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in yielding(rows):
        family.add_metric(values, value)
    return family


def single_counter(name: str, text: str, count: float) -> Metric:
    """A counter without labels."""
    return counter(name, text, (), [((), count)])


def single_gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return gauge(name, text, (), [((), value)])


class ExchangeCollector(Collector):
    """Everything that exchanges add up to. What can be named beforehand is there from the start, with 0:
    `increase()` would miss the first event otherwise."""

    def __init__(self, counts: ExchangeCounts, configuration: ConfigurationRecord) -> None:
        self._counts = counts
        self._configuration = configuration

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield from self._collect_requests()
        yield from self._collect_durations()
        yield from self._collect_attempts()
        yield from self._collect_answers()
        yield from self._collect_consumers()
        yield from self._collect_keys()
        yield counter(
            "gateway_idempotency_events",
            "Outcomes of requests with an Idempotency-Key.",
            ("event",),
            _filled(IdempotencyEvent, self._counts.idempotency_events),
        )

    def _collect_requests(self) -> Iterator[Metric]:
        yield counter(
            "gateway_requests",
            "Exchanges finished, by route.",
            ("route", *_REQUEST_LABELS),
            (
                ((route or NONE, product or NONE, method or NONE, f"{status}xx"), count)
                for (product, route, method, status), count in self._counts.routes().items()
            ),
        )
        yield counter(
            "gateway_consumer_requests",
            "Exchanges finished, by consumer.",
            ("consumer", *_REQUEST_LABELS),
            (
                ((consumer or NONE, product or NONE, method or NONE, f"{status}xx"), count)
                for (consumer, product, method, status), count in self._counts.consumers().items()
            ),
        )

    def _collect_durations(self) -> Iterator[Metric]:
        by_product, by_consumer = self._counts.durations()
        for duration in DURATIONS:
            yield _histogram(f"gateway_{duration.name}_seconds", duration, "product", by_product)
        for duration in DURATIONS:
            yield _histogram(f"gateway_consumer_{duration.name}_seconds", duration, "consumer", by_consumer)

    def _collect_attempts(self) -> Iterator[Metric]:
        outcomes: dict[str, float] = {}
        for outcome, count in self._counts.attempts.copy().items():
            name = _outcome(outcome)
            outcomes[name] = outcomes.get(name, 0) + count
        yield counter(
            "gateway_attempts",
            "Upstream attempts, by response status class (429 on its own) or the phase in which they failed.",
            ("outcome",),
            _filled(_OUTCOMES, outcomes),
        )
        yield counter(
            "gateway_retries",
            "Further attempts, by what made them necessary.",
            ("reason",),
            _filled(_REASONS, self._counts.retries),
        )

    def _collect_answers(self) -> Iterator[Metric]:
        counts = self._counts
        refused = _filled(KINDS, counts.refusals)
        text = "Errors answered by the gateway itself, by slug."
        yield counter("gateway_refusals", text, ("slug",), refused)
        yield counter(
            "gateway_reported",
            "What `mode: report` let through, by the slug it would have been refused with.",
            ("slug",),
            _filled(_REPORTED, counts.reported),
        )
        yield counter(
            "gateway_request_fields_dropped",
            "Header fields of requests that Twilio does not know and that were not sent on.",
            ("field",),
            (((name,), count) for name, count in counts.dropped_fields.copy().items()),
        )
        ignored = _filled(DropReason, counts.ignored_fields)
        text = "Odd fields of requests, neither read nor sent on."
        yield counter("gateway_request_fields_ignored", text, ("reason",), ignored)
        yield counter(
            "gateway_twilio_errors",
            "Twilio's answers from 400 up that callers got, by Twilio's code.",
            ("code",),
            (((_code(code),), count) for code, count in counts.twilio_codes.copy().items()),
        )
        yield counter(
            "gateway_unfinished",
            "Exchanges whose answer was not completed: the caller left, or the gateway aborted it.",
            ("ending",),
            _filled((Ending.HUNG_UP, Ending.ABORTED), counts.unfinished),
        )

    def _collect_consumers(self) -> Iterator[Metric]:
        yield counter(
            "gateway_rate_limit_events",
            "What rate limits did to requests: refused, waited, or reported (would have been refused).",
            ("consumer", "event"),
            self._counts.limited.copy().items(),
        )
        yield counter(
            "gateway_message_segments",
            "Segments of messages that Twilio accepted, by country (calling code).",
            ("consumer", "country"),
            self._counts.segments.copy().items(),
        )
        yield counter(
            "gateway_consumer_sdk_requests",
            "Exchanges, by the caller's SDK, and whether that sends POSTs again by itself.",
            ("consumer", "sdk", "version", "post_repeats"),
            (
                ((consumer, *split_sdk(sdk), post_repeats(sdk)), count)
                for (consumer, sdk), count in self._counts.sdks().items()
            ),
        )

    def _collect_keys(self) -> Iterator[Metric]:
        ages = self._configuration.key_ages()
        labels = ("credential", "key")
        yield gauge(
            "gateway_credential_key_age_seconds",
            "Since this process first had the key in its configuration.",
            labels,
            ages.items(),
        )
        events = {(event, name.key): 0 for name in ages for event in KeyEvent}
        events.update(self._counts.key_events.copy())
        yield counter(
            "gateway_credential_key_events",
            "Twilio keys refused, disabled (put_aside) and restored.",
            ("event", "key"),
            events.items(),
        )
        refused = self._counts.refused_keys.copy()
        times: dict[tuple[str, str], int] = dict.fromkeys(ages, 0)
        times.update({name: each.times for name, each in refused.items()})
        yield counter(
            "gateway_credential_key_unauthorized",
            "Attempts that Twilio answered 401.",
            labels,
            times.items(),
        )
        yield gauge(
            "gateway_credential_key_last_unauthorized_timestamp_seconds",
            "When Twilio last answered 401.",
            labels,
            ((name, each.last) for name, each in refused.items()),
        )


class ConfigurationCollector(Collector):
    """The active configuration, and the result of the last reload."""

    def __init__(self, configuration: ConfigurationRecord) -> None:
        self._configuration = configuration

    def collect(self) -> Iterable[Metric]:
        """All families."""
        record = self._configuration
        yield InfoMetricFamily(
            "gateway_config", "The hash of the active configuration.", {"hash": record.hash}
        )
        yield single_gauge(
            "gateway_config_last_reload_success",
            "0 if the last reload failed and the configuration before it stays active.",
            float(record.last_reload_good),
        )
        yield single_gauge(
            "gateway_config_last_reload_timestamp_seconds",
            "When the active configuration was loaded, at the start or by a reload.",
            record.loaded_at,
        )
        yield counter(
            "gateway_config_reloads",
            "Reloads since the start.",
            ("result",),
            (((result,), count) for result, count in record.reloads.items()),
        )


def _histogram(name: str, duration: Duration, label: str, durations: Durations) -> Metric:
    family = HistogramMetricFamily(name, _DURATION_TEXTS[duration.name], labels=(label,))
    bounds = [*map(floatToGoString, duration.bounds), "+Inf"]
    for value, numbers in yielding(durations.items()):
        counts, seconds = distribution(numbers, duration)
        if any(counts):
            family.add_metric(
                (value or NONE,), list(zip(bounds, accumulate(counts), strict=True)), round(seconds, 6)
            )
    return family


def _filled(names: Iterable[str], counts: Mapping[str, float]) -> Rows:
    return [((name,), count) for name, count in {**dict.fromkeys(names, 0), **counts}.items()]


def _outcome(outcome: int | str) -> str:
    if isinstance(outcome, int):
        return "429" if outcome == 429 else f"{outcome // 100}xx"
    return outcome or "abandoned"


def _code(code: int) -> str:
    return OTHER if code == OTHER_CODE else str(code) if code else NONE
