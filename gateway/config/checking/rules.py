"""Rules of `allow` and `limits` that do not parse, in a file that has other problems as well.

A file that is good otherwise is compiled, which finds them as well. Works on plain values, and skips what has
not the form it should have.
"""

from collections.abc import Iterator, Mapping

from gateway.config.checking.hints import rule_hint
from gateway.config.problems import Finding, KeyPath
from gateway.consumers.allow_rules import parse_rules
from gateway.twilio.catalogue import load_catalogue


def find_bad_rules(tree: Mapping[str, object]) -> Iterator[Finding]:
    """One finding per rule."""
    products = load_catalogue().products | _extra_products(tree)
    consumers = tree.get("consumers")
    for name, consumer in consumers.items() if isinstance(consumers, dict) else ():
        if not isinstance(consumer, dict):
            continue
        path: KeyPath = ("consumers", name)
        for index, text in _items(consumer.get("allow")):
            yield from _judge(text, (*path, "allow", index), products)
        for index, limit in _items(consumer.get("limits")):
            if isinstance(limit, dict):
                yield from _judge(limit.get("route"), (*path, "limits", index, "route"), products)


def _judge(text: object, path: KeyPath, products: frozenset[str]) -> Iterator[Finding]:
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        return  # the schema reports that
    try:
        parse_rules([text], products)
    except ValueError as error:
        yield Finding(path, str(error), rule_hint(text, products))


def _extra_products(tree: Mapping[str, object]) -> frozenset[str]:
    upstream = tree.get("upstream")
    hosts = upstream.get("extra_hosts") if isinstance(upstream, dict) else None
    return frozenset(host.lower() for _, host in _items(hosts) if isinstance(host, str))


def _items(value: object) -> Iterator[tuple[int, object]]:
    return iter(enumerate(value if isinstance(value, list) else ()))
