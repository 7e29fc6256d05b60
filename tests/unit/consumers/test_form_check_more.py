"""Rows B1, B2 and B4 again: trunks and connectors, names in queries and JSON, wrapped AccountSids."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from gateway.consumers.form_rules import FormRules, match_prefix
from gateway.errors import Refusal
from tests.support.judging import FOREIGN, MESSAGES, OWN, SUB, consumer, form, head, judge
from tests.support.multiparts import multipart

_A = f"/2010-04-01/Accounts/{OWN}"
_FROM = FormRules(senders=frozenset({"+15005550006"}))
_TO = FormRules(recipients=(match_prefix("+1"),))
_HOSTS = FormRules(callback_hosts=("hooks.example.com",))
_TK = "TK" + "0" * 32
_JSON = b"application/json"
_UNKNOWN_JSON = "/verify/v2/Unknown"
_SENDERS = "/messaging/v2/Channels/Senders"
_FACTORS = "/verify/v2/Services/VA1/Entities/a/Factors"


@pytest.mark.parametrize(
    ("rules", "target", "pair"),
    [
        (_TO, f"{_A}/IncomingPhoneNumbers/PN1.json", f"TrunkSid={_TK}"),
        (_TO, f"{_A}/SIP/Domains.json", f"ByocTrunkSid={_TK}"),
        (_FROM, f"{_A}/Calls.json", f"Byoc={_TK}"),
        (_FROM, f"{_A}/Conferences/CF1/Participants.json", f"Byoc={_TK}"),
        (_TO, "/voice/v1/ByocTrunks", f"ConnectionPolicySid={_TK}"),
        (_HOSTS, f"{_A}/Calls/CA1/Siprec.json", "ConnectorName=elsewhere"),
        (_FROM, "/notify/v1/Services", "FacebookMessengerPageId=1"),
        (_FROM, f"{_A}/SIP/Domains.json", "EmergencyCallerSid=PN1"),
        (_TO, _FACTORS, "Config.NotificationToken=device"),
        (
            _TO,
            f"{_A}/Calls.json",
            'Twiml=<?xml version="1.0" encoding="UTF-7"?><Response>+ADw-Dial/+AD4-</Response>',
        ),
        (_TO, f"{_A}/Calls.json", 'Twiml=<?xml encoding="utf-16"?><Response/>'),
        (_TO, f"{_A}/Calls.json", "Twiml=<?xml-stylesheet href='a'?><Response/>"),
    ],
    ids=lambda value: f"B1-{value[:40]}" if isinstance(value, str) and "=" in value else None,
)
def test_more_parameters_that_evaded_a_rule(rules: FormRules, target: str, pair: str) -> None:
    name, _, value = pair.partition("=")
    body = f"{name}={quote(value, safe='')}".encode()
    assert form(consumer(forms=rules), body, target) == "form_rule"
    assert form(consumer(), body, target) == ""
    multi, kind = multipart(pair)
    assert form(consumer(forms=rules), multi, target, kind) == "form_rule"


def test_b1_a_trunk_that_is_listed_may_be_named() -> None:
    rules = replace(_TO, applications=frozenset({_TK}))
    assert form(consumer(forms=rules), f"Byoc={_TK}".encode(), f"{_A}/Calls.json") == ""


@pytest.mark.parametrize("name", ["callback_url", "fallback_url"])
def test_b1_a_senders_webhook_gives_twiml(name: str) -> None:
    body = f'{{"webhook": {{"{name}": "https://hooks.example.com/"}}}}'.encode()
    assert form(consumer(forms=_TO), body, _SENDERS, _JSON) == "form_rule"
    assert form(consumer(forms=_HOSTS), body, _SENDERS, _JSON) == ""


@pytest.mark.parametrize(
    "declaration",
    ["<?xml version='1.0'?>", '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>', "<?xml ?>"],
)
def test_b1_twiml_may_begin_with_a_declaration(declaration: str) -> None:
    body = f"Twiml={quote(declaration)}<Response><Say>a</Say></Response>".encode()
    assert form(consumer(forms=_TO), body, f"{_A}/Calls.json") == ""


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Fr%5Cu006fm", "bad_body"),
        ("%26%2370;rom", "bad_body"),
        ("body/From", "form_rule"),
        ("From%3Ba", "form_rule"),
        ("a:From", "form_rule"),
        ("From*0", "form_rule"),
        ("a%26From", "form_rule"),
    ],
)
def test_b2_more_spellings_of_a_ruled_name(name: str, slug: str) -> None:
    rules = replace(_FROM, reports_unknown=True)
    assert form(consumer(forms=rules), f"{name}=%2B4930123456".encode()) == slug


@pytest.mark.parametrize("name", ["%2546rom", "=?utf-8?Q?From?=", "Fr%5Cu006fm", "Fr%C3%B6m"])
def test_b2_names_in_a_query_that_two_readers_read_differently(name: str) -> None:
    target = f"{MESSAGES}?{quote(name, safe='%')}=1"
    assert form(consumer(forms=replace(_FROM, reports_unknown=True)), b"Body=a", target) == "form_rule"
    assert form(consumer(), b"Body=a", target) == ""


def test_b2_parts_within_a_part() -> None:
    part = (
        b'--B0\r\nContent-Disposition: form-data; name="a"\r\n'
        b"Content-Type: multipart/mixed; boundary=B1\r\n\r\n1\r\n--B0--\r\n"
    )
    assert form(consumer(), part, kind=b"multipart/form-data; boundary=B0") == "bad_body"


@pytest.mark.parametrize("rules", [None, _FROM])
@pytest.mark.parametrize("name", ["_method", "_METHOD", "__method", " _method", "\\u005fmethod", "-method"])
def test_b2_an_override_in_json(name: str, rules: FormRules | None) -> None:
    for body in (f'{{"{name}": "DELETE"}}', f'{{"a": [{{"{name}": "PUT"}}]}}'):
        assert form(consumer(forms=rules), body.encode(), _UNKNOWN_JSON, _JSON) == "method_override"


def test_b2_methods_in_json_that_are_no_override() -> None:
    body = b'{"webhook": {"callback_method": "POST"}, "method": "_method", "a": "b_method"}'
    assert form(consumer(), body, _UNKNOWN_JSON, _JSON) == ""


@pytest.mark.parametrize("target", [f"{MESSAGES}?a%26_method=PUT", f"{MESSAGES}?a%3B_method=PUT"])
def test_b2_an_override_behind_an_escaped_separator(target: str) -> None:
    with pytest.raises(Refusal, match="method override"):
        judge(consumer(), head("POST", target))
    assert form(consumer(), target.partition("?")[2].encode()) == "method_override"


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        (f"{FOREIGN}\0", "foreign_account"),
        (f'"{FOREIGN}"', "foreign_account"),
        (f"\u200b{FOREIGN}", "foreign_account"),
        (f"<{FOREIGN}>", "foreign_account"),
        (f"{OWN},{FOREIGN}", "foreign_account"),
        (f'["{OWN}", "{FOREIGN}"]', "foreign_account"),
        (f"{OWN},{SUB}", ""),
        (f"account {FOREIGN}", ""),
        (f"x{FOREIGN}", ""),
    ],
)
def test_b4_a_wrapped_sid_is_a_sid(value: str, slug: str) -> None:
    body = f"Owner={quote(value)}".encode()
    assert form(consumer(), body) == slug
    assert form(consumer(forms=replace(_FROM, reports_unknown=True)), body) == (slug or "reported: form_rule")


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        (_UNKNOWN_JSON, f'{{"{FOREIGN}": 1}}', _JSON),
        (_UNKNOWN_JSON, f'{{"owners": {{"{FOREIGN}": {{"read": true}}}}}}', _JSON),
        *[
            (_UNKNOWN_JSON, f'{{"a": {{"{FOREIGN}": {empty}}}}}', _JSON)
            for empty in ("null", "{}", "[]", "[[]]")
        ],
        (_UNKNOWN_JSON, f'[{{"{FOREIGN}": {{"a": null}}}}]', _JSON),
        (MESSAGES, f"{FOREIGN}=1", b"application/x-www-form-urlencoded"),
        (MESSAGES, f"owners[{FOREIGN}]=1", b"application/x-www-form-urlencoded"),
    ],
)
def test_b4_a_sid_may_be_a_name(target: str, body: str, kind: bytes) -> None:
    assert form(consumer(), body.encode(), target, kind) == "foreign_account"
    assert form(consumer(), body.replace(FOREIGN, OWN).encode(), target, kind) == ""


@pytest.mark.parametrize("name", ["LanguageCode", "AreaCode"])
def test_b4_codes_of_a_list_are_no_free_text(name: str) -> None:
    target = f"{_A}/IncomingPhoneNumbers.json"
    assert form(consumer(), f"{name}={FOREIGN}".encode(), target) == "foreign_account"


def test_b4_free_text_below_a_name_that_is_a_sid() -> None:
    body = f'{{"variables": {{"{FOREIGN}": "a"}}}}'.encode()
    assert form(consumer(), body, "/content/v1/Content", _JSON) == ""


@pytest.mark.parametrize(
    ("rules", "inside"),
    [
        (_HOSTS, '{"callbackUrl": "https://evil.example/"}'),
        (_HOSTS, '[{"a": {"href": "https://evil.example/"}}]'),
        (_TO, '{"to": ["+4930123456"]}'),
        (_FROM, '{"from": {"address": "+4930123456"}}'),
    ],
)
def test_b4_what_is_put_inside_a_documented_value_goes_by_its_own_name(rules: FormRules, inside: str) -> None:
    """On a route of JSON, below a parameter that is one value and holds nobody's address."""
    target = "/conversations/v2/Conversations/conv_1/Actions"
    assert form(consumer(forms=rules), f'{{"type": {inside}}}'.encode(), target, _JSON) == "form_rule"
    assert form(consumer(forms=rules), b'{"type": {"b": ["closed"]}}', target, _JSON) == ""
