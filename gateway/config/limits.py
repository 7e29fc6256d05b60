"""A consumer's `limits:`, from the file's form to what admission spends. Pure."""

from collections.abc import Callable, Sequence

from gateway.config.consumers import Limit as LimitSettings
from gateway.policy.credentials import Credential
from gateway.policy.limits import Limit, LimitSet, Per, derive_secret, make_limit, make_limit_set
from gateway.policy.rules import RuleSet, parse_rules

Refuse = Callable[[tuple[str | int, ...], str, str], None]
"""Takes the place below the consumer, what is wrong, and what to do about it."""


def compile_limits(
    consumer: str,
    settings: Sequence[LimitSettings],
    credential: Credential,
    products: frozenset[str],
    refuse: Refuse,
) -> LimitSet:
    """Limits are named by their place, `billing/0`: that is what counters outlive a reload by."""
    limits: list[Limit] = []
    for index, each in enumerate(settings):
        rules: RuleSet | None = None
        if each.route is not None:
            try:
                rules = parse_rules([each.route], products)
            except ValueError as error:
                refuse(("limits", index, "route"), str(error), "see 'allow' in docs/configuration.md")
        limits.append(
            make_limit(
                f"{consumer}/{index}",
                each.count,
                each.period_seconds,
                each.largest_burst,
                per=Per(each.per),
                weight=each.weight,
                max_wait_seconds=each.max_wait_seconds,
                reports=each.mode == "report",
                rules=rules,
                secret=derive_secret(credential.account.keys[0].authorization),
            )
        )
    return make_limit_set(limits)
