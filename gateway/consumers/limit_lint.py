"""`limits` and `form` rules without effect, and why, for `gateway check`. Warnings only.

A limit counts nothing if no request that its consumer may make falls under it; form rules and limits per
destination judge what is sent, so they are idle for a consumer that may only read.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.consumers.allow_rules import Rule
from gateway.consumers.consumer import Consumer
from gateway.consumers.rate_limit_rules import Per
from gateway.consumers.rule_lint import find_no_route
from gateway.twilio.catalogue import Catalogue

_ANY = "*"
_REST = "**"
_SENDING = frozenset({_ANY, "POST", "PUT", "PATCH"})


class LimitLint(NamedTuple):
    """A limit by its position, or None for the form rules: what is wrong, and what to do."""

    limit: int | None
    message: str
    hint: str


def find_idle_rules(consumer: Consumer, catalogue: Catalogue) -> Iterator[LimitLint]:
    """Warnings for one consumer."""
    allowed = consumer.rules.rules
    if consumer.forms is not None and allowed and not _sends(allowed):
        yield LimitLint(None, "form rules without effect: this consumer may only read", "remove them")
    for index, limit in enumerate(consumer.limits.limits):
        covered: Sequence[Rule] = allowed
        if limit.rules is not None:
            unknown = [find_no_route(rule, catalogue) for rule in limit.rules.rules]
            if unknown and (first := unknown[0]) is not None and None not in unknown:
                yield LimitLint(index, f"the limit counts nothing: its route {first.message}", first.hint)
                continue
            covered = [rule for rule in allowed if any(_overlap(rule, other) for other in limit.rules.rules)]
            if allowed and not covered:
                yield LimitLint(
                    index,
                    "the limit counts nothing: no `allow` rule of this consumer covers its route",
                    "correct the route, or allow it",
                )
                continue
        if limit.per is Per.DESTINATION and covered and not _sends(covered):
            yield LimitLint(
                index,
                "the limit counts nothing: destinations are in what is sent, and its requests only read",
                "write `per: consumer`, or give it a route that sends",
            )


def _sends(rules: Sequence[Rule]) -> bool:
    return any(rule.method in _SENDING for rule in rules)


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether some request fits both rules."""
    return (
        (one.method == other.method or _ANY in (one.method, other.method))
        and (one.product == other.product or _ANY in (one.product, other.product))
        and _meet(one.path_segments, other.path_segments)
    )


def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether some path fits both patterns."""
    if one and one[0] == _REST:
        return any(_meet(one[1:], other[at:]) for at in range(len(other) + 1))
    if other and other[0] == _REST:
        return _meet(other, one)
    if not one or not other:
        return not one and not other
    return (one[0] == other[0] or _ANY in (one[0], other[0])) and _meet(one[1:], other[1:])
