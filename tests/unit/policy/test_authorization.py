"""What may be done: rules, management endpoints, report mode; and that honest traffic is let through."""

import random
import re
import string

import pytest

from gateway.consumers.account_pinning import is_management
from gateway.consumers.consumer import Mode
from gateway.consumers.form_rules import FormRules
from gateway.errors import Refusal
from gateway.twilio.catalogue import BodyKind, Route
from gateway.twilio.catalogue.hosts import host_of
from tests.support.judging import (
    CATALOGUE,
    FOREIGN,
    FORM,
    MESSAGES,
    OWN,
    SUB,
    consumer,
    credential,
    grant,
    head,
    judge,
)

_A = f"/2010-04-01/Accounts/{OWN}"
_FREE = consumer()
_NAMES = (
    "a.b..c", "%2B15005550006", "jane.doe@example.com", "%F0%9F%98%80", "na%20me", "2020-01-01", "US",
    "auth0|5f7c", "it's(1)!", "true", "name_01h9krwprkeee8fzqspvwy6nq8",
)  # fmt: skip


def _fill(template: str, rng: random.Random) -> str:
    """The template with the account, and SIDs or names for the other parameters."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "AccountSid":
            return OWN
        if match[1].endswith("Sid") or rng.random() < 0.3:
            letters = "".join(rng.choices("BDEFGHIJKLMNPQRSTUVWXYZ", k=2))
            return letters + "".join(rng.choices(string.hexdigits.lower(), k=32))
        return rng.choice(_NAMES)

    return re.sub(r"\{(\w+)\}", value, template)


_ROUTES = [route for route in CATALOGUE.routes if not re.search(r"/Accounts/\{Sid\}", route.template)]
_BODIES = {
    BodyKind.FORM: (FORM, b"FriendlyName=a+b&Voice.Url=&UniqueName=%F0%9F%98%80"),
    BodyKind.JSON: (b"application/json", b'{"friendly_name": "a", "ids": [1]}'),
    BodyKind.FORM_OR_JSON: (b"application/json;charset=utf-8", b"{}"),
    BodyKind.ANY: (b"image/png", b"\x89PNG"),
}


@pytest.mark.parametrize("way", ["prefix", "host", "absolute"])
def test_sdk_traffic_on_every_route_of_the_catalogue_is_let_through(way: str) -> None:
    rng = random.Random(17)
    for route in _ROUTES:
        for suffix in (".json", "") if route.product == "api" else ("",):
            path = _fill(route.template, rng) + suffix
            if is_management(route.product, path):
                continue
            _send_like_an_sdk(route, path, way)
    assert len(_ROUTES) > 1500


def _send_like_an_sdk(route: Route, path: str, way: str) -> None:
    query = "?PageSize=50&PageToken=PA" + "0f" * 900 + "&DateSent<=2020-01-01&DateSent%3C=x"
    host = host_of(route.product)
    target = {"prefix": f"/{route.product}{path}", "host": path, "absolute": f"http://{host}{path}"}[way]
    kind, body = _BODIES[route.body_kind]
    fields: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", kind),)
    if route.method in ("GET", "DELETE"):
        body = b""
        target += query
    if way == "host":
        inbound = head(route.method, target, *fields, body=body)._replace(host=host)
    else:
        inbound = head(route.method, target, *fields, body=body)
    granted, outbound, reported = judge(_FREE, inbound, body)
    assert granted.route is route, (route, path)
    assert (granted.reported, reported, granted.conceals) == ("", "", False)
    assert (outbound.host, outbound.method) == (host, route.method)
    assert outbound.target == path + (query if not body and target.endswith("=x") else "")


@pytest.mark.parametrize(
    ("allow", "method", "target", "slug"),
    [
        ("messages:send", "POST", MESSAGES, ""),
        ("messages:send", "POST", f"/2010-04-01/Accounts/{SUB}/Messages.json", ""),
        ("messages:send", "GET", MESSAGES, "not_allowed"),
        ("messages:send", "POST", MESSAGES + "?_method=DELETE", "not_allowed"),
        ("messages:send", "POST", f"{_A}/Messages/SM1.json", "not_allowed"),
        ("messages:read", "HEAD", MESSAGES, ""),
        ("messages:read", "DELETE", f"{_A}/Messages/SM1", "not_allowed"),
        ("messages:read", "POST", f"{_A}/Messages/SM1?_method=DELETE", "not_allowed"),
        ("* api /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}", "PUT", f"{_A}/Messages/SM1", ""),
        ("read-only", "GET", "/verify/v2/Services", ""),
        ("read-only", "GET", "/verify/v99/Unknown", ""),
        ("verify", "GET", "/sync/v1/Services", "not_allowed"),
        ("everything", "GET", f"/2010-04-01/Accounts/{FOREIGN}/Messages.json", "foreign_account"),
        ("everything", "GET", "/2010-04-01/Accounts.json", "management_endpoint"),
        ("everything", "GET", f"{_A}.json", "management_endpoint"),
        ("everything", "POST", f"{_A}/Keys.json", "management_endpoint"),
        ("everything", "GET", "/iam/v1/Keys", "management_endpoint"),
        ("everything", "DELETE", "/accounts/v1/AuthTokens/Secondary", "management_endpoint"),
        ("GET api /2010-04-01/Accounts/{AccountSid}/**", "GET", f"{_A}/Keys", "management_endpoint"),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", "GET", f"{_A}/Keys.json", ""),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", "HEAD", f"{_A}/Keys.json", ""),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", "POST", f"{_A}/Keys.json", "management_endpoint"),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", "GET", f"{_A}/Keys/SK1", "management_endpoint"),
        ("POST accounts /v1/AuthTokens/Promote", "POST", "/accounts/v1/AuthTokens/Promote", ""),
        ("everything", "GET", "/iam/v1/anything?_method=x", "method_override"),
        ("everything", "GET", "http://api.dublin.ie1.twilio.com/x", "wrong_region"),
    ],
)
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.REPORT])
def test_authorize(allow: str, method: str, target: str, slug: str, mode: Mode) -> None:
    given = consumer(allow, mode=mode)
    if slug in ("", "not_allowed") and (mode is Mode.REPORT or not slug):
        assert grant(given, head(method, target)).reported == slug
        return
    with pytest.raises(Refusal) as refusal:
        grant(given, head(method, target))
    assert refusal.value.slug == slug


def test_a_refusal_names_the_template_and_not_the_path() -> None:
    with pytest.raises(Refusal) as refusal:
        grant(consumer("verify"), head("GET", f"{_A}/Messages/SM123.json"))
    assert "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}" in refusal.value.detail
    assert "SM123" not in refusal.value.detail


def test_a_token_is_concealed_wherever_accounts_are_delegated() -> None:
    assert grant(consumer("GET api /2010-04-01/Accounts/{Sid}"), head("GET", f"{_A}.json")).conceals
    assert not grant(_FREE, head("GET", MESSAGES)).conceals


def test_the_host_is_the_credentials() -> None:
    irish = consumer(credential=credential("ie1"))
    assert grant(irish, head("GET", MESSAGES)).host == "api.dublin.ie1.twilio.com"
    assert grant(irish, head("GET", "http://api.dublin.ie1.twilio.com/x")).host == "api.dublin.ie1.twilio.com"
    assert grant(irish, head("GET", "/mcs/v1/x")).host == "mcs.us1.twilio.com"


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.REPORT])
def test_an_upload_cannot_be_judged_by_form_rules(mode: Mode) -> None:
    inbound = head("POST", "/mcs/v1/Services/IS1/Media", (b"Content-Length", b"9"))
    assert judge(consumer(mode=mode), inbound)[2] == ""
    ruled = consumer(mode=mode, forms=FormRules())
    if mode is Mode.REPORT:
        assert judge(ruled, inbound)[2] == "form_rule"
    else:
        with pytest.raises(Refusal, match="form_rule"):
            judge(ruled, inbound)
