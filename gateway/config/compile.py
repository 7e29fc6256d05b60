"""The active configuration, compiled: what the hot path looks things up in (`docs/design.md` 3).

`compile_snapshot` is pure. A snapshot is never changed; a reload builds another and swaps one reference.
Counters, pools and health of keys live elsewhere, so that a reload forgets nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.background.breathing import breathe
from gateway.config.checking.hints import rule_hint
from gateway.config.compile_credentials import compile_credential, deployment_via, make_seal
from gateway.config.loading.resolved import (
    ResolvedConsumer,
    ResolvedIssuer,
    ResolvedSettings,
)
from gateway.config.problems import ConfigError, KeyPath, Problem
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
from gateway.http.header_fields import NEVER_SENT
from gateway.identity.authentication import Identities, KeyEntry
from gateway.identity.jwks import JwkSet, is_installed, parse_jwks
from gateway.identity.jwt_claims import ClaimRule, Issuer, parse_claim_path
from gateway.policy.addressing import make_host_table
from gateway.policy.bodies import BodyLimits
from gateway.policy.deadlines import Deadlines
from gateway.policy.snapshot import Snapshot
from gateway.twilio.catalogue import Catalogue, load_catalogue
from gateway.twilio.catalogue.effects import creating_routes
from gateway.twilio.error_body import DOCS_FILE, ErrorHelp
from gateway.twilio.request_fields import make_request_fields

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound to


def compile_snapshot(resolved: ResolvedSettings, catalogue: Catalogue | None = None) -> Snapshot:
    """Compile a resolved configuration. Raises `ConfigError` with every rule that does not parse."""
    catalogue = catalogue or load_catalogue()
    settings = resolved.settings
    public_url = (settings.public_url or "").rstrip("/")
    local = {_authority(public_url)} if public_url else set()
    names = {resolved.listen.host, "localhost"}
    if resolved.listen.host in _WILDCARDS:
        names |= {"127.0.0.1", "::1"}
    for host in names:
        local.add(f"[{host}]:{resolved.listen.port}" if ":" in host else f"{host}:{resolved.listen.port}")
    regions = {label for each in resolved.credentials.values() for label in (each.region, each.edge) if label}
    hosts = make_host_table(
        catalogue.products, catalogue.hosts, settings.upstream.extra_hosts, local, regions
    )
    seal = make_seal(resolved.store_key)
    credentials = {name: compile_credential(each, seal) for name, each in resolved.credentials.items()}
    problems: list[Problem] = []
    keys: dict[str, KeyEntry] = {}
    consumers: dict[str, Consumer] = {}
    certificates: dict[str, Consumer] = {}
    rule_sets: dict[tuple[str, ...], RuleSet] = {}
    rules: dict[str, list[ClaimRule]] = {issuer.settings.name: [] for issuer in resolved.issuers}
    for each in resolved.consumers.values():
        breathe()
        compiler = _ConsumerCompiler(each, hosts.products, resolved.origins.problem, problems, rule_sets)
        consumer = consumers[each.name] = compiler.compile(credentials[each.settings.credential])
        keys.update({key.digest: KeyEntry(consumer, key.expires) for key in each.keys})
        certificates.update({entry.name: consumer for entry in each.settings.certificates})
        for token in each.settings.jwt:
            claims = tuple((parse_claim_path(claim), text) for claim, text in token.claims.items())
            rules[token.issuer].append(ClaimRule(claims, consumer))
    rings = _key_rings(resolved, problems)
    routes = _repeat_routes(resolved, catalogue, problems)
    for index, name in enumerate(settings.upstream.request_fields):
        if name.lower().encode() in NEVER_SENT:
            place = ("upstream", "request_fields", index)
            problems.append(resolved.origins.problem(place, f"{name} is never sent on", "remove it"))
    snapshot = Snapshot(
        catalogue=catalogue,
        hosts=hosts,
        identities=Identities(
            keys, certificates, _issuers(resolved.issuers, rules), deployment_via(resolved)
        ),
        jwk_sets=rings,
        request_fields=make_request_fields(settings.upstream.request_fields, settings.upstream.extra_hosts),
        limits=BodyLimits(settings.callers.body_bytes, settings.callers.stream_bytes),
        body_seconds=settings.callers.body_seconds,
        body_total_seconds=settings.callers.body_total_seconds,
        deadlines=Deadlines(
            settings.upstream.deadline_seconds,
            settings.upstream.deadline_seconds_max,
            settings.drain_seconds,
            settings.upstream.client_timeout_seconds,
        ),
        public_url=public_url,
        error_help=ErrorHelp(settings.docs_url or DOCS_FILE, settings.contact or ""),
        config_hash=resolved.config_hash,
        consumers=consumers,
        credentials=credentials,
        repeat_routes=routes,
        seal=seal,
    )
    if problems:
        raise ConfigError(problems, partial=snapshot)
    return snapshot


_SHORT_SECONDS = {("verify", "/v2/Services/{ServiceSid}/Verifications"): 30.0}
"""Where people ask for the same again soon, and mean it: "send me another code"."""


def _repeat_routes(
    resolved: ResolvedSettings, catalogue: Catalogue, problems: list[Problem]
) -> dict[tuple[str, str], float]:
    """The routes that the repeat guard watches, with the seconds of each."""
    settings = resolved.settings.repeat_guard
    routes = {
        route: min(settings.seconds, _SHORT_SECONDS.get(route, settings.seconds))
        for route in creating_routes()
    }
    posts = {(route.product, route.template) for route in catalogue.routes if route.method == "POST"}
    for name, seconds in settings.routes.items():
        product, _, template = name.partition(" ")
        if (product, template) not in posts:
            hint = "take product and path template from what `gateway explain` says of a request"
            problems.append(
                resolved.origins.problem(
                    ("repeat_guard", "routes", name), "no route of Twilio's takes a POST there", hint
                )
            )
        routes[product, template] = seconds
    return {route: seconds for route, seconds in routes.items() if seconds > 0}


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


def _issuers(issuers: Iterable[ResolvedIssuer], rules: Mapping[str, list[ClaimRule]]) -> dict[str, Issuer]:
    """By their `iss`."""
    return {
        each.settings.issuer: Issuer(
            name=each.settings.name,
            url=each.settings.issuer,
            audience=each.settings.audience,
            algorithms=frozenset(each.settings.algorithms),
            leeway_seconds=each.settings.leeway_seconds,
            rules=tuple(rules[each.settings.name]),
        )
        for each in issuers
    }


def _key_rings(resolved: ResolvedSettings, problems: list[Problem]) -> dict[str, JwkSet]:
    """Of the issuers whose keys are in a file."""
    if resolved.issuers and not is_installed():
        hint = "pip install 'twilio-gateway[jwt]'"
        problems.append(resolved.origins.problem(("jwt",), "needs the joserfc package", hint))
        return {}
    rings = {}
    for index, each in enumerate(resolved.issuers):
        if each.jwks is not None:
            try:
                rings[each.settings.name] = parse_jwks(each.jwks)
            except ValueError as error:
                path = ("jwt", index, "jwks_file")
                message = f"the file cannot be used: {error}"
                problems.append(resolved.origins.problem(path, message, "give the issuer's public keys"))
    return rings


def _authority(url: str) -> str:
    return url.split("://", 1)[1].split("/", 1)[0].lower()
