"""`allow` rules that can never grant anything, and why, for `gateway check`.

A path that the catalogue does not know may still be Twilio's newest, so these are warnings, not errors.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from gateway.consumers.account_pinning import is_management, require_owned
from gateway.consumers.allow_rules import NAMED_SETS, Rule, split_path
from gateway.consumers.consumer import Consumer, Emit
from gateway.errors import Refusal
from gateway.twilio.catalogue import Catalogue, Route

_ANY = "*"
_REST = "**"
_CLOSE = 0.6


class Lint(NamedTuple):
    """A rule that never grants anything: what is wrong with it, and what to do."""

    rule: Rule
    message: str
    hint: str


def find_unreachable(consumer: Consumer, catalogue: Catalogue) -> Iterator[Lint]:
    """The consumer's rules that no request can be granted by."""
    earlier: list[Rule] = []
    for rule in consumer.rules.rules:
        lint = _lint_rule(rule, consumer, catalogue) or _find_cover(rule, earlier)
        if lint is not None:
            yield lint
        earlier.append(rule)


def _lint_rule(rule: Rule, consumer: Consumer, catalogue: Catalogue) -> Lint | None:
    path = "/" + "/".join(rule.path_segments)
    try:
        require_owned(consumer.credential.sids, path)
    except Refusal:
        return Lint(rule, "names an account that its credential does not own", "write {AccountSid} instead")
    # A glob at the end stands for a name, which a star alone would not be.
    named = path.replace(_ANY, "x")
    if not rule.exact and _REST not in rule.path_segments and is_management(rule.product, named):
        return Lint(
            rule,
            "grants nothing: accounts, keys and tokens need a rule without globs",
            "name method, product and path exactly, if this is really meant",
        )
    if consumer.emit is Emit.POST and rule.method in ("PUT", "DELETE") and rule.product not in (_ANY, "api"):
        return Lint(
            rule, "is always answered 501: `emit: post` works on the `api` product only", "remove one of them"
        )
    return find_no_route(rule, catalogue)


def find_no_route(rule: Rule, catalogue: Catalogue) -> Lint | None:
    """A rule that fits none of the routes that are known of its product."""
    found = _no_route(rule.method, rule.product, rule.path_segments, catalogue)
    return None if found is None else Lint(rule, *found)


@lru_cache(maxsize=10_000)
def _no_route(
    method: str, product: str, path_segments: tuple[str, ...], catalogue: Catalogue
) -> tuple[str, str] | None:
    """Message and hint. Remembered, because consumers by the thousand have the same rules."""
    routes = _routes_of(catalogue, product)
    if not routes and product != _ANY:
        return None  # upload hosts and the like, of which no route is known
    fitting = [route for route, template in routes if fits_template(path_segments, template)]
    methods = {route.method for route in fitting} | {"PUT" for route in fitting if route.product == "api"}
    if not fitting:
        wanted = "/" + "/".join(path_segments)
        close = get_close_matches(wanted, {_pattern_of(template) for _, template in routes}, 1, _CLOSE)
        near = next((route.template for route, each in routes if _pattern_of(each) in close), "")
        hint = f"did you mean {near}?" if near else "compare it with Twilio's reference"
        return "fits no path that is known of Twilio's", hint
    if method != _ANY and method not in methods:
        known = ", ".join(sorted(methods - {"PUT"}))
        return f"Twilio knows no {method} there", f"it knows {known}"
    return None


@lru_cache(maxsize=256)
def _routes_of(catalogue: Catalogue, product: str) -> list[tuple[Route, tuple[str, ...]]]:
    """The routes of a product, or of all, with the segments of their templates."""
    return [
        (route, split_path(route.template)) for route in catalogue.routes if product in (_ANY, route.product)
    ]


def _find_cover(rule: Rule, earlier: list[Rule]) -> Lint | None:
    """An earlier rule that grants all that this one does."""
    path = "/" + "/".join(rule.path_segments)
    if rule.exact and is_management(rule.product, path):
        return None  # no glob covers it
    for other in earlier:
        if (
            other.method in (_ANY, rule.method)
            and other.product in (_ANY, rule.product)
            and _covers(other.path_segments, rule.path_segments)
        ):
            return Lint(rule, f"adds nothing to {other.text!r} before it", "remove one of them")
    return None


def find_covered_sets(consumer: Consumer) -> Iterator[str]:
    """The named sets that add nothing to what stands before them."""
    earlier: list[Rule] = []
    rules = consumer.rules.rules
    for name in dict.fromkeys(rule.name for rule in rules):
        own = [rule for rule in rules if rule.name == name]
        if name in NAMED_SETS and all(_find_cover(rule, earlier) for rule in own):
            yield name
        earlier += own


def _pattern_of(template: tuple[str, ...]) -> str:
    return "/" + "/".join(_ANY if part.startswith("{") else part for part in template)


def fits_template(pattern: tuple[str, ...], template: tuple[str, ...]) -> bool:
    """Whether some path fits both a rule's path and a route's template."""
    if not pattern or pattern[0] == _REST:
        rest = pattern[1:]
        if not pattern or not rest:
            return bool(pattern) or not template
        return any(fits_template(rest, template[at:]) for at in range(len(template) + 1))
    if not template:
        return False
    same = pattern[0] == _ANY or template[0].startswith("{") or pattern[0] == template[0]
    return same and fits_template(pattern[1:], template[1:])


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Whether every path that fits `narrow` fits `wide`; a cautious no where that takes thought."""
    if wide == narrow:
        return True
    if wide and wide[-1] == _REST:
        head = wide[:-1]
        return len(narrow) >= len(head) and _covers_segments(head, narrow[: len(head)])
    return len(wide) == len(narrow) and _covers_segments(wide, narrow)


def _covers_segments(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    return _REST not in wide and all(
        mine == theirs or (mine == _ANY and theirs != _REST)
        for mine, theirs in zip(wide, narrow, strict=True)
    )
