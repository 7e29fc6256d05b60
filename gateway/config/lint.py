"""Lint warnings: rules that can never match, form rules that refuse more than is obvious, dead hosts.

`consumers/rule_lint.py` and `consumers/form_lint.py` find them; this file adds the place in the
configuration.
"""

import re
from collections.abc import Iterable, Iterator

from gateway.config.compile import compile_snapshot
from gateway.config.loading.load import Loaded
from gateway.config.loading.resolve import resolve_static
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import ConfigError, KeyPath, Problem
from gateway.consumers.allow_rules import NAMED_SETS
from gateway.consumers.consumer import Consumer
from gateway.consumers.form_lint import find_idle_form_rules, find_refused_parameters
from gateway.consumers.limit_lint import find_idle_rules
from gateway.consumers.rule_lint import find_covered_sets, find_unreachable
from gateway.policy.addressing import DEFAULT_EDGES
from gateway.policy.snapshot import Snapshot
from gateway.twilio.catalogue import Catalogue

_REGIONAL = re.compile(r"([a-z0-9-]+)\.([a-z]{2}[0-9])\.twilio\.com")


def find_lint(resolved: ResolvedSettings, snapshot: Snapshot) -> list[Problem]:
    """Warnings for what is compiled already. Pure."""
    problems = [*_lint_hosts(resolved, snapshot.catalogue)]
    for name, consumer in sorted(snapshot.consumers.items()):
        problems += _lint_rules(resolved, name, consumer, snapshot.catalogue)
        for found in find_refused_parameters(consumer, snapshot.catalogue):
            problems.append(resolved.origins.problem(("consumers", name, "form"), found.message, found.hint))
        for form in find_idle_form_rules(consumer, snapshot.catalogue):
            place: KeyPath = ("consumers", name, "form", form.setting)
            problems.append(resolved.origins.problem(place, form.message, form.hint))
        for idle in find_idle_rules(consumer, snapshot.catalogue):
            place = ("consumers", name, *(("form",) if idle.limit is None else ("limits", idle.limit)))
            problems.append(resolved.origins.problem(place, idle.message, idle.hint))
    return list(dict.fromkeys(problems))  # a group's problem is that of each of its consumers


def find_warnings_beside(error: ConfigError, resolved: ResolvedSettings | None = None) -> list[Problem]:
    """What else is probably not meant, in as much of the configuration as is sound. Pure.

    `resolved` is what was resolved before the error, if anything was. Of consumers and credentials that have
    problems nothing is said: a warning might follow from them.
    """
    partial, snapshot = error.partial, None
    if isinstance(partial, Loaded):
        try:
            resolved = resolve_static(partial, {})
        except ConfigError:
            return _independent(partial.warnings, error.problems)
    elif isinstance(partial, ResolvedSettings):
        resolved = partial
    elif isinstance(partial, Snapshot):
        snapshot = partial
    if resolved is None:
        return []
    warnings = _independent(resolved.warnings, error.problems)
    try:
        snapshot = snapshot or compile_snapshot(resolved)
    except ConfigError as further:
        snapshot = further.partial if isinstance(further.partial, Snapshot) else None
    if snapshot is not None:
        wrong = {_entry(problem.key) for problem in error.problems}
        warnings += [each for each in find_lint(resolved, snapshot) if _entry(each.key) not in wrong]
    return warnings


def _independent(warnings: Iterable[Problem], problems: Iterable[Problem]) -> list[Problem]:
    """Without those about something of which a part was wrong, and about what is unused or without effect,
    where what might use it or give it one is wrong itself: a default stands in its place."""
    wrong = [problem.key for problem in problems]
    areas = {_area(key) for key in wrong} | {"secret_stores"}  # any setting may have its value by one
    unknown_users = any(key.startswith("consumers") for key in wrong)
    return [
        each
        for each in warnings
        if not (each.key and any(key.startswith(f"{each.key}.") for key in wrong))
        and not (unknown_users and re.fullmatch(r"credentials\.[^.]+", each.key))
        and not (each.message.startswith("without effect") and _area(each.key) in areas)
    ]


def _area(key: str) -> str:
    """What settings have in common that give each other an effect."""
    if key.startswith(("consumers.", "credentials.")):
        return _entry(key)
    return "store" if key.startswith(("store_", "on_store_")) else key.partition(".")[0]


def _entry(key: str) -> str:
    """The consumer or credential that a problem is about, or the section."""
    return ".".join(key.split(".")[:2])


def _lint_rules(
    resolved: ResolvedSettings, name: str, consumer: Consumer, catalogue: Catalogue
) -> Iterator[Problem]:
    allow = resolved.consumers[name].settings.allow
    for lint in find_unreachable(consumer, catalogue):
        if lint.rule.text in allow:  # a named set's rules are ours, not the author's
            index = len(allow) - 1 - allow[::-1].index(lint.rule.text)
            place = ("consumers", name, "allow", index)
            yield resolved.origins.problem(place, f"the rule {lint.rule.text!r} {lint.message}", lint.hint)
    for text in find_covered_sets(consumer):
        place = ("consumers", name, "allow", allow.index(text))
        yield resolved.origins.problem(place, f"{text} adds nothing to what stands before it", "remove it")
    for index, text in enumerate(allow):
        if text in NAMED_SETS and text in allow[:index]:
            yield resolved.origins.problem(
                ("consumers", name, "allow", index), f"{text} stands here twice", "remove one of them"
            )


def _lint_hosts(resolved: ResolvedSettings, catalogue: Catalogue) -> Iterator[Problem]:
    """Twilio's region-only hosts stopped working in April 2026 (its changelog)."""
    for index, host in enumerate(resolved.settings.upstream.extra_hosts):
        if host.endswith(".twilio.com") and host.removesuffix(".twilio.com") in catalogue.products:
            place = ("upstream", "extra_hosts", index)
            message = f"without effect: {host} is served without it"
            yield resolved.origins.problem(place, message, "remove it")
        match = _REGIONAL.fullmatch(host.lower())
        if match is not None and match[2] != "us1":
            edge = DEFAULT_EDGES.get(match[2]) or "EDGE"
            instead = f"{match[1]}.{edge}.{match[2]}.twilio.com"
            yield resolved.origins.problem(
                ("upstream", "extra_hosts", index),
                f"{host} stopped working in April 2026: a regional host needs its edge",
                f"set `region: {match[2]}` at the credential, which gives {instead}",
            )
