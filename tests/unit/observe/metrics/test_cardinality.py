"""However many ids and paths are asked for, the number of series does not grow: every route of the
catalogue, and ten thousand paths that are none, through the policies and into the tally."""

import random
import re
from collections.abc import Iterator

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.observe.metrics.exposition import OPENMETRICS, Exposition
from gateway.observe.metrics.registry import Metrics
from gateway.policy.addressing import resolve_address
from gateway.policy.authorization import authorize, match_route
from gateway.policy.methods import translate_method
from tests.support.judging import CATALOGUE, HOSTS, OWN, consumer, head
from tests.support.metrics import Series, junk_paths, own, path_of, read_samples

_EVERYTHING = consumer()
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
_JUNK = 10_000


def _exchange(method: str, target: str) -> Exchange:
    """What the handler fills in, in its order; an answer or our no at the end."""
    exchange = Exchange(0.0)
    exchange.status = 200
    try:
        inbound = head(method, target)
        exchange.consumer = _EVERYTHING.name
        call = translate_method(inbound, resolve_address(HOSTS, inbound), _EVERYTHING)
        route = match_route(CATALOGUE, call)
        exchange.method, exchange.product, exchange.label = call.method, route.product, route.label
        authorize(_EVERYTHING, route, call)
    except GatewayError as error:
        exchange.slug, exchange.status = error.slug, error.status
    return exchange


def _routes(chance: random.Random) -> Iterator[tuple[str, str]]:
    for route in CATALOGUE.routes:
        yield route.method, f"/{route.product}{path_of(route, OWN, chance)}"


def _junk(chance: random.Random) -> Iterator[tuple[str, str]]:
    prefixes = ["", *(f"/{product}" for product in sorted(CATALOGUE.products))]
    for number, path in enumerate(junk_paths(_JUNK, chance)):
        yield _METHODS[number % len(_METHODS)], prefixes[number // len(_METHODS) % len(prefixes)] + path


def _series(metrics: Metrics) -> set[Series]:
    return own(read_samples(_text(metrics)))


def _text(metrics: Metrics) -> str:
    return Exposition(metrics.registry).page(OPENMETRICS, "").body.decode()


def _pass(metrics: Metrics, chance: random.Random) -> set[Series]:
    for method, target in (*_routes(chance), *_junk(chance)):
        metrics.observe(_exchange(method, target))
    return _series(metrics)


def test_the_series_of_a_second_pass_are_those_of_the_first() -> None:
    """The same routes with other ids, and other junk: not one series more, and no id in any label."""
    metrics, chance = Metrics(), random.Random(4)
    first = _pass(metrics, chance)
    assert _pass(metrics, chance) == first
    routes = {dict(labels)["route"] for name, labels in first if name == "gateway_requests_total"}
    assert routes == CATALOGUE.labels | {"{none}"}, "every route is touched, and no path has become a label"
    methods = {dict(labels)["method"] for _, labels in first if "method" in dict(labels)}
    assert methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "{none}"}
    text = _text(metrics)
    assert OWN not in text
    assert not re.search(r"[0-9a-f]{32}|wp-admin", text)
