"""Which parameters a consumer's `form` rules refuse whatever their value, for `gateway check`.

A URL that gives TwiML, an application and a document could evade the other rules, so they pass only where a
rule of their own lists them. What Twilio reports to without a URL is in no list of hosts. A consumer that may
call a route with such a parameter is named with the missing rule.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.consumers.allow_rules import RuleSet, split_path
from gateway.consumers.consumer import Consumer
from gateway.consumers.form_rules import FormRules
from gateway.consumers.rule_lint import fits_template
from gateway.twilio.catalogue import Catalogue, ParameterClass, Route

_MAX_NAMES: Final = 3
WITHOUT_URL: Final = frozenset({"ConnectorName"})
"""Of the callbacks, those whose value names what is set up at Twilio."""


RECIPIENTS: Final = frozenset({ParameterClass.RECIPIENT, ParameterClass.DOCUMENT})
_JUDGED: Final = {
    "from": frozenset({ParameterClass.SENDER}),
    "messaging_services": frozenset({ParameterClass.SERVICE}),
    "to": frozenset({ParameterClass.RECIPIENT}),
    "callback_hosts": frozenset({ParameterClass.CALLBACK, ParameterClass.INSTRUCTIONS}),
    "applications": frozenset({ParameterClass.APPLICATION}),
}
"""The classes of parameters that each rule of `form` is about; a document may hold any of them."""
_ROUTES: Final = frozenset(
    {ParameterClass.INSTRUCTIONS, ParameterClass.TWIML, ParameterClass.APPLICATION, ParameterClass.DOCUMENT}
)
"""What could evade a rule and is checked as soon as there is one, whichever it is (`FormRules.is_routed`)."""


class FormLint(NamedTuple):
    """What is refused, and what to do about it; `setting` is a rule of `form`, '' for all of it."""

    message: str
    hint: str
    setting: str = ""


def find_refused_parameters(consumer: Consumer, catalogue: Catalogue) -> Iterator[FormLint]:
    """Warnings for a consumer with form rules; none for one without."""
    rules = consumer.forms
    if rules is None:
        return
    for kind, hint in _missing(rules):
        names, templates = _reachable(consumer.rules, kind, catalogue)
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            listed = ", ".join(names[:_MAX_NAMES]) + more
            where = templates[0] + (f" and {len(templates) - 1} more" if len(templates) > 1 else "")
            yield FormLint(f"refuses {listed} on {where}: they could evade the other form rules", hint)


def find_idle_form_rules(consumer: Consumer, catalogue: Catalogue) -> Iterator[FormLint]:
    """Rules about what nothing has that the consumer may send; none where it may send nothing at all."""
    rules = consumer.forms
    if rules is None or not may_send([consumer.rules], frozenset(), catalogue):
        return
    given = {
        "from": rules.senders,
        "messaging_services": rules.messaging_services,
        "to": rules.recipients,
        "callback_hosts": rules.callback_hosts,
        "applications": rules.applications,
    }
    for name, values in given.items():
        wanted = _JUDGED[name] | ({ParameterClass.DOCUMENT} if name == "applications" else _ROUTES)
        if values and not may_send([consumer.rules], wanted, catalogue):
            yield FormLint(
                "without effect: nothing that this consumer may send has such a parameter",
                "remove it, or allow what it is meant for",
                name,
            )


def _missing(rules: FormRules) -> Iterator[tuple[ParameterClass, str]]:
    if rules.callback_hosts is not None:
        yield (
            ParameterClass.CALLBACK,
            "no rule can list what they name: send them as a consumer without callback_hosts",
        )
    if rules.is_routed and rules.callback_hosts is None:
        yield ParameterClass.INSTRUCTIONS, "list the hosts of this consumer's TwiML in form.callback_hosts"
    if rules.is_routed and rules.applications is None:
        yield ParameterClass.APPLICATION, "list the applications that it may name in form.applications"
    if rules.is_routed:
        yield (
            ParameterClass.DOCUMENT,
            "nothing can check such documents: send them as a consumer without form",
        )


# Many consumers share their rules; the catalogue is one for the whole process.
@lru_cache(maxsize=256)
def _reachable(
    rules: RuleSet, kind: ParameterClass, catalogue: Catalogue
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and templates of the parameters of a class that a consumer with these rules can send."""
    names: set[str] = set()
    templates: list[str] = []
    for route, found in _routes_with(kind, catalogue):
        if _covers(rules, route):
            names.update(found)
            templates.append(f"{route.method} {route.product} {route.template}")
    return tuple(sorted(names)), tuple(templates)


@lru_cache(maxsize=16)
def _routes_with(kind: ParameterClass, catalogue: Catalogue) -> tuple[tuple[Route, tuple[str, ...]], ...]:
    """The routes that have parameters of a class, and the names of these."""
    found = (
        (
            route,
            tuple(
                name
                for name, its in route.parameters.items()
                if its is kind
                and name not in catalogue.parameter_index.checkable
                and (kind is not ParameterClass.CALLBACK or name in WITHOUT_URL)
            ),
        )
        for route in catalogue.routes
    )
    return tuple((route, names) for route, names in found if names)


def may_send(rule_sets: Iterable[RuleSet], kinds: frozenset[ParameterClass], catalogue: Catalogue) -> bool:
    """Whether some known request that takes a body falls under all of the rules, and has a parameter of one
    of `kinds` (of any, if there are none)."""
    rule_sets = tuple(rule_sets)
    return any(
        all(_covers(rules, route) for rules in rule_sets) for route in _sending_routes(kinds, catalogue)
    )


@lru_cache(maxsize=16)
def _sending_routes(kinds: frozenset[ParameterClass], catalogue: Catalogue) -> tuple[Route, ...]:
    return tuple(
        route
        for route in catalogue.routes
        if route.method in ("POST", "PUT", "PATCH")
        and (not kinds or not kinds.isdisjoint(route.parameters.values()))
    )


_segments = lru_cache(maxsize=4096)(split_path)


def _covers(rules: RuleSet, route: Route) -> bool:
    template = _segments(route.template)
    return any(
        rule.method in ("*", route.method)
        and rule.product in ("*", route.product)
        and fits_template(rule.path_segments, template)
        for rule in rules.rules
    )
