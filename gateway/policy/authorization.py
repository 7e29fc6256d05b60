"""May this consumer do this (docs/design.md 4.4): the route of a call, and the grant that the rest is built
on.
"""

from typing import Final, NamedTuple

from gateway.consumers.account_pinning import is_management, pin_account, require_target_owned
from gateway.consumers.allow_rules import Rule, split_path
from gateway.consumers.consumer import Consumer, Mode
from gateway.consumers.credentials import Account
from gateway.consumers.form_check import FormFinding, check_form, check_query, require_accounts
from gateway.consumers.form_rules import FormRules, name_form_rule
from gateway.errors import Refusal
from gateway.http.form_data import Fields, Unreadable, read_urlencoded
from gateway.policy.addressing import upstream_host
from gateway.policy.bodies import Body
from gateway.policy.body_fields import must_be_read, read_body_fields
from gateway.policy.methods import Call
from gateway.policy.named_sids import find_addressed_sid
from gateway.twilio.catalogue import Catalogue, Route

_READS: Final = frozenset({"GET", "HEAD"})
_WRITES: Final = frozenset({"POST", "PUT", "PATCH"})

_OLD_MESSAGES: Final = " Twilio has replaced …/SMS/Messages with …/Messages."


class Grant(NamedTuple):
    """What was granted: the account with its keys, the host, and path and query as they go upstream.

    `conceals` asks for `auth_token` in the answer to be made null; `reported` is the slug that `mode: report`
    let through, or ''; `accounts` are the SIDs that the request may name; `rule` is what allowed it.
    `resource_sid` is what the path addresses, as it may be shown.
    """

    consumer: Consumer
    route: Route
    call: Call
    account: Account
    host: str
    path: str
    query: str
    conceals: bool
    reported: str
    accounts: frozenset[str]
    rule: Rule | None = None
    resource_sid: str = ""

    def __repr__(self) -> str:  # path and query may hold phone numbers
        return f"Grant({self.consumer.name}: {self.call.method} {self.host} {self.route.label})"


def name_rule(grant: Grant) -> str:
    """What allowed it, as `allow:` has it. Of what is only reported, no rule did: `allow`."""
    return grant.rule.name if grant.rule is not None else "allow"


def match_route(catalogue: Catalogue, call: Call) -> Route:
    """The catalogue's route for the effective method; unknown paths have one as well."""
    return catalogue.match(call.address.product, call.method, call.path)


def authorize(consumer: Consumer, route: Route, call: Call) -> Grant:
    """Pin the account and find a rule. Raises `Refusal` (403)."""
    credential = consumer.credential
    product = call.address.product
    host = upstream_host(call.address, credential.region, credential.edge)
    pinned = pin_account(credential, call.path, call.query)
    path_segments = split_path(pinned.path)
    method = "GET" if call.method == "HEAD" else call.method
    conceals = is_management(product, pinned.path)
    reported = ""
    if conceals:
        rule = consumer.rules.find_exact(method, product, path_segments)
        if rule is None:
            raise Refusal(
                "management_endpoint",
                f"Accounts, keys and tokens are not delegated. Consumer {consumer.name} needs an allow rule "
                "that names this method and path without a glob.",
            )
    else:
        rule = consumer.rules.find(method, product, path_segments)
        if rule is None:
            if consumer.mode is Mode.ENFORCE:
                raise Refusal(
                    "not_allowed",
                    f"Consumer {consumer.name} has no allow rule for {method} {product} {route.label}."
                    + (_OLD_MESSAGES if "/SMS/Messages" in pinned.path else ""),
                )
            reported = "not_allowed"
    accounts = credential.sids
    if rule is not None and rule.accounts:
        accounts &= rule.accounts
        require_target_owned(accounts, pinned.path, pinned.query)
    return Grant(
        consumer=consumer,
        route=route,
        call=call,
        account=pinned.account,
        host=host,
        path=pinned.path,
        query=pinned.query,
        conceals=conceals,
        reported=reported,
        accounts=accounts,
        rule=rule,
        resource_sid=find_addressed_sid(pinned.path),
    )


def authorize_form(grant: Grant, body: Body) -> str:
    """Check a buffered body. Raises `Refusal`; returns the slug that `mode: report` let through, or ''."""
    rules = grant.consumer.forms if grant.call.method not in _READS else None
    if rules is None and not must_be_read(body):
        return ""
    try:
        fields, others, is_json = read_body_fields(body)
    except Unreadable as error:
        # In `mode: report`, too, a body must be read that may name an account: that is no consumer's rule.
        enforced = rules is not None and grant.consumer.mode is Mode.ENFORCE
        if rules is not None and not enforced and not must_be_read(body):
            return "form_rule"
        slug = "form_rule" if enforced else "bad_body"
        raise Refusal(slug, f"The body cannot be checked: {error}.") from error
    route, sids = grant.route, grant.accounts
    if rules is None:
        require_accounts(route, sids, fields, is_json=is_json)
        require_accounts(route, sids, others, is_json=False)
        return ""
    if others:
        require_accounts(route, sids, others, is_json=False)
    reported = _apply(grant, rules, check_form(route, sids, rules, fields, is_json=is_json))
    if others:
        found = check_form(route, sids, rules, others, is_json=False)
        reported = _apply(grant, rules, found._replace(unknown="")) or reported
    if not grant.query:
        return reported
    refused = check_query(grant.route, rules, _read_query(grant.query))
    return _apply(grant, rules, FormFinding(refused, "")) or reported


def _apply(grant: Grant, rules: FormRules, finding: FormFinding) -> str:
    """Raise what a finding leads to, or return the slug that is only reported, or ''."""
    if finding.refused:
        return _report(
            grant,
            Refusal(
                "form_rule",
                f"A form rule refuses this: {finding.refused}.",
                rule=name_form_rule(finding.refused),
            ),
        )
    if not finding.unknown or grant.call.method not in _WRITES:
        return ""
    if rules.reports_unknown:
        return "form_rule"
    why = f"{finding.unknown} is not a parameter that Twilio's catalogue has for this route"
    hint = "form.unknown_parameters: report lets such parameters pass"
    detail = f"A form rule refuses this: {why}; {hint}."
    return _report(grant, Refusal("form_rule", detail, rule="form.unknown_parameters"))


def authorize_stream(grant: Grant) -> str:
    """Form rules cannot look into a body that is streamed on unread, so they refuse it."""
    if grant.consumer.forms is None:
        return ""
    return _report(
        grant, Refusal("form_rule", "This consumer has form rules, and they cannot be applied to an upload.")
    )


def _report(grant: Grant, refusal: Refusal) -> str:
    """Raise it, or in `mode: report` give its slug."""
    if grant.consumer.mode is Mode.REPORT:
        return refusal.slug
    raise refusal


def _read_query(query: str) -> Fields:
    if not query:
        return []
    try:
        return read_urlencoded(query.encode("ascii"))
    except Unreadable as error:
        raise Refusal("form_rule", f"The query cannot be checked: {error}.") from error
