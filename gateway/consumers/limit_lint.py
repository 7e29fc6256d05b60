"""`limits` and `form` rules without effect, and why, for `gateway check`. Warnings only.

A limit counts nothing if no request that its consumer may make falls under it; form rules and limits per
destination judge what is sent, so they are idle for a consumer that may only read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.consumers.allow_rules import Rule
from gateway.consumers.consumer import Consumer
from gateway.consumers.form_lint import RECIPIENTS, may_send
from gateway.consumers.rate_limit_rules import Limit, Per
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
        counted = covered if limit.rules is None else limit.rules.rules
        if limit.per is Per.DESTINATION and covered and not (_sends(covered) and _sends(counted)):
            yield LimitLint(
                index,
                "the limit counts nothing: destinations are in what is sent, and its requests only read",
                "write `per: consumer`, or give it a route that sends",
            )
        elif (
            limit.per is Per.DESTINATION
            and covered
            and not _names_recipients(consumer, limit, covered, catalogue)
        ):
            yield LimitLint(
                index,
                "the limit counts nothing: no request that it covers names a recipient",
                "write `per: consumer`, or give it a route that sends",
            )
        stricter = _find_stricter(consumer.limits.limits, index)
        if stricter >= 0:
            yield LimitLint(
                index,
                f"the limit refuses nothing: limit {stricter} counts the same requests and is reached first",
                "remove one of the two",
            )


def _find_stricter(limits: Sequence[Limit], index: int) -> int:
    """The position of a limit that lets nothing through which this one would refuse, or -1."""
    limit = limits[index]
    for other, each in enumerate(limits):
        if other == index or each.reports or not _counts_all_of(each, limit):
            continue
        requests, most = each.tolerance_us // each.cost_us, limit.tolerance_us // limit.cost_us
        equal = (requests, each.cost_us) == (most, limit.cost_us)
        twins = equal and _counts_all_of(limit, each)
        if requests == most and each.max_wait_us > limit.max_wait_us:
            continue  # where that one has requests wait, this one refuses them
        if requests <= most and each.cost_us >= limit.cost_us and (not twins or other < index):
            return other
    return -1


def _counts_all_of(one: Limit, other: Limit) -> bool:
    """Whether what `other` counts together, `one` counts together as well."""
    wider = one.rules is None or one.rules == other.rules
    return wider and one.per in (other.per, Per.CONSUMER)


def _names_recipients(
    consumer: Consumer, limit: Limit, covered: Iterable[Rule], catalogue: Catalogue
) -> bool:
    """Whether some request under the limit has a recipient, as far as the catalogue knows; one that it does
    not know may have any parameter."""
    rule_sets = [consumer.rules] if limit.rules is None else [consumer.rules, limit.rules]
    is_newer = any(find_no_route(rule, catalogue) is not None for rule in covered)
    return is_newer or may_send(rule_sets, RECIPIENTS, catalogue)


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
