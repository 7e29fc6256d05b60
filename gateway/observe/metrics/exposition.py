"""The page that Prometheus reads: OpenMetrics for those who ask for it, else the older text format.

Made on the admin thread, in small portions, and kept for a second: scraping twice at once costs as much as
once. What is on it is the registry's.
"""

import gzip
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from gateway.observe.metrics.cooperative import yielding

_KEPT_SECONDS = 1.0
_COMPRESSION = 1

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class ExpositionPage(NamedTuple):
    """A body with what its head must say."""

    body: bytes
    content_type: str
    encoding: str
    """'' or 'gzip'."""


class Exposition:
    """Called on one thread only. `clock` is monotonic, in seconds."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = _YieldingRegistry(registry)
        self._clock = clock
        self._kept: dict[tuple[str, str], ExpositionPage] = {}
        self._made_at = float("-inf")

    def page(self, accept: str, accept_encoding: str) -> ExpositionPage:
        """What a scraper with these two request fields gets."""
        now = self._clock()
        if now - self._made_at >= _KEPT_SECONDS:
            self._kept.clear()
            self._made_at = now
        content_type = OPENMETRICS if wants_openmetrics(accept) else TEXT
        page = self._kept.get((content_type, ""))
        if page is None:
            page = self._kept[content_type, ""] = ExpositionPage(self._render(content_type), content_type, "")
        if quality_of(accept_encoding, "gzip") <= 0:
            return page
        packed = self._kept.get((content_type, "gzip"))
        if packed is None:
            body = gzip.compress(page.body, _COMPRESSION)
            packed = self._kept[content_type, "gzip"] = ExpositionPage(body, content_type, "gzip")
        return packed

    def _render(self, content_type: str) -> bytes:
        render = openmetrics.generate_latest if content_type == OPENMETRICS else exposition.generate_latest
        return render(self._registry)


class _YieldingRegistry(Collector):
    """A registry whose samples come in portions, for the library goes through them in one stretch."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = _Portions(family.samples)
            yield family


class _Portions(list[Sample]):
    def __iter__(self) -> Iterator[Sample]:
        return yielding(super().__iter__())


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept field wants OpenMetrics 1.0 no less than plain text (RFC 9110 12.5.1)."""
    wanted = max(
        (
            quality
            for kind, parameters, quality in _read_accept(accept)
            if kind == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0"
        ),
        default=0.0,
    )
    plain = max((quality for kind, _, quality in _read_accept(accept) if kind == "text/plain"), default=0.0)
    return wanted > 0 and wanted >= plain


def quality_of(field: str, name: str) -> float:
    """How much a field like Accept-Encoding wants `name`: 0 to 1, 0 where it is not named."""
    return max((quality for each, _, quality in _read_accept(field) if each == name), default=0.0)


def _read_accept(field: str) -> list[tuple[str, dict[str, str], float]]:
    found: list[tuple[str, dict[str, str], float]] = []
    for item in field.lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        found.append((name, parameters, _read_quality(parameters.pop("q", "1"))))
    return found


def _read_quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
