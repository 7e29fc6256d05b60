"""The active configuration, compiled: what the hot path looks things up in (`docs/design.md` 3).

`compile_snapshot` is pure. A snapshot is never changed; a reload builds another and swaps one reference.
Counters, pools and health of keys live elsewhere, so that a reload forgets nothing.
"""

from collections.abc import Iterable, Mapping

from gateway.config.compile_consumers import compile_consumers
from gateway.config.compile_credentials import compile_credentials, deployment_via, make_seal
from gateway.config.loading.resolved import ResolvedIssuer, ResolvedSettings
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema.addresses import ListenAddress
from gateway.http.header_fields import NEVER_SENT
from gateway.identity.authentication import Identities
from gateway.identity.jwks import JwkSet, is_installed, parse_jwks
from gateway.identity.jwt_claims import ClaimRule, ClaimTable, Issuer
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
    regions = {label for each in resolved.credentials.values() for label in (each.region, each.edge) if label}
    local = _own_authorities(resolved.listen, public_url)
    hosts = make_host_table(
        catalogue.products, catalogue.hosts, settings.upstream.extra_hosts, local, regions
    )
    seal = make_seal(resolved.store_key)
    credentials = compile_credentials(resolved.credentials, seal)
    problems: list[Problem] = []
    compiled = compile_consumers(resolved, credentials, hosts.products, problems)
    jwk_sets = _jwk_sets(resolved, problems)
    routes = _repeat_routes(resolved, catalogue, problems)
    _find_unsendable_fields(resolved, problems)
    issuers = _issuers(resolved.issuers, compiled.claim_rules)
    snapshot = Snapshot(
        catalogue=catalogue,
        hosts=hosts,
        identities=Identities(compiled.keys, compiled.certificates, issuers, deployment_via(resolved)),
        jwk_sets=jwk_sets,
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
        consumers=compiled.consumers,
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


def _issuers(issuers: Iterable[ResolvedIssuer], rules: Mapping[str, list[ClaimRule]]) -> dict[str, Issuer]:
    """By their `iss`."""
    return {
        each.settings.issuer: Issuer(
            name=each.settings.name,
            url=each.settings.issuer,
            audience=each.settings.audience,
            algorithms=frozenset(each.settings.algorithms),
            leeway_seconds=each.settings.leeway_seconds,
            rules=ClaimTable(rules[each.settings.name]),
        )
        for each in issuers
    }


def _jwk_sets(resolved: ResolvedSettings, problems: list[Problem]) -> dict[str, JwkSet]:
    """Of the issuers whose keys are in a file."""
    if resolved.issuers and not is_installed():
        hint = "pip install 'twilio-gateway[jwt]'"
        problems.append(resolved.origins.problem(("jwt",), "needs the joserfc package", hint))
        return {}
    found = {}
    for index, each in enumerate(resolved.issuers):
        if each.jwks is not None:
            try:
                found[each.settings.name] = parse_jwks(each.jwks)
            except ValueError as error:
                path = ("jwt", index, "jwks_file")
                message = f"the file cannot be used: {error}"
                problems.append(resolved.origins.problem(path, message, "give the issuer's public keys"))
    return found


def _find_unsendable_fields(resolved: ResolvedSettings, problems: list[Problem]) -> None:
    for index, name in enumerate(resolved.settings.upstream.request_fields):
        if name.lower().encode() in NEVER_SENT:
            place = ("upstream", "request_fields", index)
            problems.append(resolved.origins.problem(place, f"{name} is never sent on", "remove it"))


def _own_authorities(listen: ListenAddress, public_url: str) -> set[str]:
    """The values of Host that name this gateway itself, and so no host of Twilio's."""
    names = {listen.host, "localhost"}
    if listen.host in _WILDCARDS:
        names |= {"127.0.0.1", "::1"}
    found = {f"[{host}]:{listen.port}" if ":" in host else f"{host}:{listen.port}" for host in names}
    if public_url:
        found.add(public_url.split("://", 1)[1].split("/", 1)[0].lower())
    return found
