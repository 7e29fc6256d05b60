"""Consumers, compiled: their rules, forms and limits, and what identifies their callers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gateway.background.breathing import breathe
from gateway.config.checking.hints import rule_hint
from gateway.config.loading.resolved import ResolvedConsumer, ResolvedSettings
from gateway.config.problems import KeyPath, Problem
from gateway.config.schema.consumer_settings import FormSettings, LimitSettings
from gateway.consumers.allow_rules import RuleSet, parse_rules
from gateway.consumers.consumer import Consumer, Emit, Mode, Priority, derive_identities
from gateway.consumers.credentials import Credential
from gateway.consumers.form_rules import FormRules, match_country, match_prefix
from gateway.consumers.rate_limit_rules import (
    NO_LIMITS,
    LimitSet,
    Per,
    derive_secret,
    make_limit,
    make_limit_set,
)
from gateway.identity.authentication import KeyEntry
from gateway.identity.jwt_claims import ClaimRule, parse_claim_path


class CompiledConsumers(NamedTuple):
    """`consumers` by name, `keys` by digest, `certificates` by the name in a certificate, `claim_rules` by
    the name of the issuer."""

    consumers: dict[str, Consumer]
    keys: dict[str, KeyEntry]
    certificates: dict[str, Consumer]
    claim_rules: dict[str, list[ClaimRule]]


def compile_consumers(
    resolved: ResolvedSettings,
    credentials: Mapping[str, Credential],
    products: frozenset[str],
    problems: list[Problem],
) -> CompiledConsumers:
    """Compile every consumer; what does not parse is added to `problems`."""
    rule_sets: dict[tuple[str, ...], RuleSet] = {}
    issuers = [issuer.settings.name for issuer in resolved.issuers]
    compiled = CompiledConsumers({}, {}, {}, {name: [] for name in issuers})
    for each in resolved.consumers.values():
        breathe()
        compiler = _ConsumerCompiler(each, products, resolved.origins.problem, problems, rule_sets)
        consumer = compiler.compile(credentials[each.settings.credential])
        compiled.consumers[each.name] = consumer
        compiled.keys.update({key.digest: KeyEntry(consumer, key.expires) for key in each.keys})
        compiled.certificates.update({entry.name: consumer for entry in each.settings.certificates})
        for token in each.settings.jwt:
            claims = tuple((parse_claim_path(claim), text) for claim, text in token.claims.items())
            compiled.claim_rules[token.issuer].append(ClaimRule(claims, consumer))
    return compiled


class _ConsumerCompiler:
    """Compiles one consumer and collects its problems, so that all are reported together."""

    def __init__(
        self,
        resolved: ResolvedConsumer,
        products: frozenset[str],
        problem: Callable[[KeyPath, str, str], Problem],
        problems: list[Problem],
        rule_sets: dict[tuple[str, ...], RuleSet],
    ) -> None:
        self._rule_sets = rule_sets
        self._resolved = resolved
        self._products = products
        self._problem = problem
        self._problems = problems

    def compile(self, credential: Credential) -> Consumer:
        settings = self._resolved.settings
        identities = derive_identities(self._resolved.evidence())
        return Consumer(
            name=self._resolved.name,
            usernames=frozenset({self._resolved.name, *settings.usernames}),
            credential=credential,
            rules=self._rules(settings.allow),
            forms=self._forms(settings.form),
            mode=Mode(settings.mode),
            emit=Emit(settings.emit),
            legacy=settings.legacy,
            convert=settings.convert,
            priority=Priority[settings.priority.upper()],
            limits=self._limits(settings.limits, credential, f"{self._resolved.name}.{identities[0]}"),
            identities=identities,
            shared=settings.shared,
        )

    def _rules(self, texts: Sequence[str], place: KeyPath | None = None) -> RuleSet:
        """Consumers with the same rules share them."""
        key = tuple(texts)
        if key not in self._rule_sets:
            try:
                self._rule_sets[key] = parse_rules(key, self._products)
            except ValueError:
                self._refuse_rules(key, place)
                return RuleSet(())
        return self._rule_sets[key]

    def _refuse_rules(self, texts: Sequence[str], place: KeyPath | None) -> None:
        """Each rule that does not parse."""
        for index, text in enumerate(texts):
            try:
                parse_rules([text], self._products)
            except ValueError as error:
                self._refuse(place or ("allow", index), str(error), rule_hint(text, self._products))

    def _limits(self, limits: Sequence[LimitSettings], credential: Credential, owner: str) -> LimitSet:
        if not limits:
            return NO_LIMITS
        secret = derive_secret(credential.account.keys[0].authorization)
        return make_limit_set(
            make_limit(
                f"{self._resolved.name}/{limit.name or index}",
                limit.count,
                limit.period_seconds,
                limit.largest_burst,
                per=Per(limit.per),
                weight=limit.weight,
                max_wait_seconds=limit.max_wait_seconds,
                reports=limit.mode == "report",
                rules=None if limit.route is None else self._rules([limit.route], ("limits", index, "route")),
                secret=secret,
                owner=owner,
                route=limit.route or "",
                label=limit.name or "",
            )
            for index, limit in enumerate(limits)
        )

    def _forms(self, form: FormSettings | None) -> FormRules | None:
        if form is None:
            return None
        recipients = None
        if form.to is not None:
            recipients = tuple(
                test for index, entry in enumerate(form.to) if (test := self._recipient(entry, index))
            )
        return FormRules(
            senders=None if form.from_ is None else frozenset(form.from_),
            messaging_services=None
            if form.messaging_services is None
            else frozenset(form.messaging_services),
            recipients=recipients,
            callback_hosts=None
            if form.callback_hosts is None
            else tuple(host.lower() for host in form.callback_hosts),
            applications=None if form.applications is None else frozenset(form.applications),
            reports_unknown=form.unknown_parameters == "report",
        )

    def _recipient(self, entry: str, index: int) -> Callable[[str], bool] | None:
        if not (len(entry) == 2 and entry.isalpha()):
            return match_prefix(entry)
        try:
            return match_country(entry.upper())
        except ImportError:
            self._refuse(
                ("form", "to", index),
                "countries need the phonenumbers package",
                "pip install 'twilio-gateway[phonenumbers]', or give a prefix such as +1",
            )
            return None

    def _refuse(self, path: KeyPath, message: str, hint: str) -> None:
        self._problems.append(self._problem(("consumers", self._resolved.name, *path), message, hint))
