"""Which parameters a consumer's `form` rules refuse whatever their value, for `gateway check`.

A URL that gives TwiML, an application and a document could evade the other rules, so they pass only where a
rule of their own lists them. What Twilio reports to without a URL is in no list of hosts. A consumer that may
call a route with such a parameter is named with the missing rule.
"""

from collections.abc import Iterator
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


class FormLint(NamedTuple):
    """What is refused, and what to do about it."""

    message: str
    hint: str


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
    for route in catalogue.routes:
        found = [
            name
            for name, its in route.parameters.items()
            if its is kind and name not in catalogue.parameter_index.checkable
            if kind is not ParameterClass.CALLBACK or name in WITHOUT_URL
        ]
        if found and _covers(rules, route):
            names.update(found)
            templates.append(f"{route.method} {route.product} {route.template}")
    return tuple(sorted(names)), tuple(templates)


def _covers(rules: RuleSet, route: Route) -> bool:
    template = split_path(route.template)
    return any(
        rule.method in ("*", route.method)
        and rule.product in ("*", route.product)
        and fits_template(rule.path_segments, template)
        for rule in rules.rules
    )
