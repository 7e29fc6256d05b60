"""Form rules: senders, services, recipients, callbacks; what evades them, and what they must let through."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from gateway.consumers.consumer import Consumer, Mode
from gateway.consumers.form_rules import FormRules, match_prefix
from tests.support.judging import FOREIGN, MESSAGES, OWN, SUB, consumer, form
from tests.support.multiparts import multipart

_MG = "MG" + "0" * 32
_RULES = FormRules(
    senders=frozenset({"+15005550006", "Acme", "whatsapp:+15005550006"}),
    messaging_services=frozenset({_MG}),
    recipients=(match_prefix("+1"), match_prefix("+4930"), match_prefix("client:")),
    callback_hosts=("hooks.example.com", "*.example.org"),
)
_RULED = consumer(forms=_RULES)
_REPORTING = consumer(forms=_RULES, mode=Mode.REPORT)
_LENIENT = consumer(forms=replace(_RULES, reports_unknown=True))
_FREE = consumer()


def _pairs(*pairs: str) -> bytes:
    return "&".join(
        f"{name}={quote(value, safe='')}" for name, _, value in (p.partition("=") for p in pairs)
    ).encode()


_PASSING = [
    (),
    ("From=+15005550006", "To=+15005550001", "Body=From=+49&To=+49"),
    ("From=Acme", "To=+493012345"),
    ("From=whatsapp:+15005550006", "To=whatsapp:+15005550001"),
    (f"MessagingServiceSid={_MG}", "From=", "To=client:alice"),
    ("To=+1 (500) 555-0001", "From=+15005550006"),
    ("StatusCallback=https://hooks.example.com/a?b=c",),
    ("StatusCallback=https://HOOKS.example.com:8443/a", "StatusCallbackMethod=POST"),
    ("StatusCallback=http://a.b.example.org/",),
    ("StatusCallback=https://user:p%40ss@hooks.example.com/a",),
    ("StatusCallback=", "StatusCallbackEvent=completed"),
    ("MediaUrl=https://cdn.example.net/a.png", "MediaUrl=https://cdn.example.net/b.png"),
    ("Body=https://evil.example/",),
    ("Twiml=<?xml version='1.0'?><Response><Say voice='alice'>hi<break/></Say><Pause/></Response>",),
    ("FromBundleSid=x", "Tags=1", "SendAt=x"),
]
_REFUSED = [
    ("From=+15005550007",),
    ("From=+15005550006", "From=+15005550007"),
    ("from=+15005550007",),
    ("FROM=+15005550007",),
    ("From[0]=+15005550007",),
    ("From[]=+15005550007",),
    ("From_=+15005550007",),
    ("Fr.om=+15005550007",),
    ("+From=+15005550007",),
    ("%46rom=+15005550007",),
    ("?From=+15005550007",),
    ("From=acme",),
    ("MessagingServiceSid=MG" + "1" * 32,),
    ("messaging_service_sid=MG" + "1" * 32,),
    ("To=+4940123",),
    ("To=+15005550001", "To=+4940123"),
    ("To=",),
    ("To=4930123",),
    ("To=+1;+4940123",),
    ("To=+15005550001,+4940123",),
    ("To=+15005550001\n+4940123",),
    ("To=+1sms:5005550001",),
    ("To=sip:+15005550001@evil.example",),
    ("To=whatsapp:+4940123",),
    ("To=whatsapp:whatsapp:+15005550001",),
    ("StatusCallback=https://evil.example/",),
    ("statuscallback=https://evil.example/",),
    ("StatusCallback=//hooks.example.com/a",),
    ("StatusCallback=https://hoo%E2%84%AAs.example.com/a",),  # B15: the Kelvin sign
    ("StatusCallback=hooks.example.com",),
    ("StatusCallback=https:hooks.example.com",),
    ("StatusCallback=ftp://hooks.example.com/",),
    ("StatusCallback=https://hooks.example.com@evil.example/",),
    ("StatusCallback=https://a@evil.example@hooks.example.com/",),
    ("StatusCallback=https://evil.example;@hooks.example.com/",),
    ("StatusCallback=https://@hooks.example.com/",),
    ("StatusCallback=https://evil.example:80:@hooks.example.com/",),
    ("StatusCallback=https://user:x@evil.example/@hooks.example.com",),
    ("StatusCallback=https://evil.example\\@hooks.example.com/",),
    ("StatusCallback=https://evil.example#.example.org",),
    ("StatusCallback=https://evil.example?.example.org",),
    ("StatusCallback=https://evil.example%2f.example.org/",),
    ("StatusCallback=https://evil.example|.example.org/",),
    ("StatusCallback=https://evil.example／.example.org/",),
    ("StatusCallback=https://evil.example\t.example.org/",),
    ("StatusCallback=https://example.org/",),
    ("StatusCallback=https://evilexample.org/",),
    ("StatusCallback=https://a.hooks.example.com/",),
    ("StatusCallback=https://[::1]/",),
    ("StatusCallback=https://[bad/",),
    ("StatusCallback=https://hooks.example.com/", "Url=https://evil.example"),
    ("VoiceFallbackUrl=https://evil.example/",),
    ("Configuration.Url=https://evil.example/",),
    ("Webhooks.OnMessageSend.Url=https://evil.example/",),
    ("CallbackUrls=https://evil.example/",),
    ("RedirectUri=https://evil.example/",),
    ("Twiml=<Response><Dial>+4940123</Dial></Response>",),
    ("Twiml=<Response><Redirect>https://evil.example/</Redirect></Response>",),
    ("Twiml=<!DOCTYPE a [<!ENTITY b '<Dial/>'>]><Response>&b;</Response>",),
    ("Twiml=<Response><Sayonara/></Response>",),
]


@pytest.mark.parametrize("pairs", _PASSING, ids=repr)
def test_what_the_rules_let_through(pairs: tuple[str, ...]) -> None:
    body = _pairs(*pairs)
    assert form(_RULED, body) == ""
    assert form(_REPORTING, body) == ""
    if body:
        multi, kind = multipart(*pairs)
        assert form(_RULED, multi, kind=kind) == ""


@pytest.mark.parametrize("pairs", _REFUSED, ids=repr)
def test_what_the_rules_refuse(pairs: tuple[str, ...]) -> None:
    body = _pairs(*pairs)
    assert form(_RULED, body) == "form_rule"
    assert form(_REPORTING, body) == "reported: form_rule"
    assert form(_FREE, body) == ""
    assert form(_LENIENT, body) == "form_rule"  # no spelling passes because unknown names may


@pytest.mark.parametrize(
    "pairs",
    [("From=+15005550007",), ("To=+15005550001", "To=+4940123"), ("Url=https://evil.example/",)],
    ids=repr,
)
def test_multipart_and_json_are_judged_alike(pairs: tuple[str, ...]) -> None:
    body, kind = multipart(*pairs)
    assert form(_RULED, body, kind=kind) == "form_rule"
    name, _, value = pairs[-1].partition("=")
    json = f'{{"a": [{{"{name}": "{value}"}}]}}'.encode()
    assert form(_RULED, json, "/content/v1/Content", b"application/json") == "form_rule"


@pytest.mark.parametrize(
    ("rules", "body", "slug"),
    [
        (FormRules(senders=frozenset({"+1"})), f"MessagingServiceSid={_MG}", "form_rule"),
        (FormRules(messaging_services=frozenset({_MG})), "From=%2B1", "form_rule"),
        (FormRules(messaging_services=frozenset({_MG})), f"MessagingServiceSid={_MG}&To=%2B49", ""),
        (FormRules(senders=frozenset()), "From=%2B1", "form_rule"),
        (FormRules(recipients=()), "To=%2B1", "form_rule"),
        (FormRules(callback_hosts=()), "Url=https://a.example/", "form_rule"),
        (FormRules(callback_hosts=()), "Url=&From=%2B1&To=%2B1&Twiml=%3CResponse/%3E", ""),
        (FormRules(senders=frozenset({"+1"})), "StatusCallback=https://a.example/&To=%2B49", ""),
        (FormRules(senders=frozenset({"+1"})), "Url=https://a.example/&To=%2B49", "form_rule"),
        (FormRules(senders=frozenset({"+1"})), "Twiml=%3CDial/%3E&To=%2B49", "form_rule"),
        (FormRules(), "From=%2B1&To=%2B1&Url=https://a.example/", ""),
    ],
)
def test_a_rule_that_is_not_given_does_not_bind(rules: FormRules, body: str, slug: str) -> None:
    assert form(consumer(forms=rules), body.encode()) == slug


@pytest.mark.parametrize("name", ["From", "to", "MessagingServiceSid", "StatusCallback", "%54o", "Twiml"])
def test_a_ruled_name_in_the_query_is_refused_and_not_quoted(name: str) -> None:
    assert form(_RULED, b"Body=a", f"{MESSAGES}?{name}=x") == "form_rule"
    assert form(_RULED, b"", f"{MESSAGES}?{name}=x") == "form_rule"
    assert form(_REPORTING, b"Body=a", f"{MESSAGES}?{name}=x") == "reported: form_rule"
    assert form(_RULED, b"Body=a", MESSAGES + "?PageSize=1") == ""


@pytest.mark.parametrize(
    ("given", "body", "slug"),
    [
        # Unreadable: with rules it cannot be judged; without, only what may name an account must be read.
        (_RULED, b"To=%ff", "form_rule"),
        (_REPORTING, b"To=%ff", "reported: form_rule"),
        (_REPORTING, b"AccountSid=%ff", "bad_body"),
        (_FREE, b"To=%ff", ""),
        (_FREE, b"AccountSid=%ff", "bad_body"),
        (_RULED, b"Body=a;To=%2B49", "form_rule"),
        (_FREE, b"Body=Gr\xfc\xdfe", ""),
        (_FREE, "Body=Grüße&Account.Name=a".encode(), ""),
        # What holds for everybody, `mode: report` included.
        (_FREE, f"AccountSid={FOREIGN}".encode(), "foreign_account"),
        (_REPORTING, f"AccountSid={FOREIGN}".encode(), "foreign_account"),
        (_FREE, f"Body=a;AccountSid={FOREIGN}".encode(), "foreign_account"),
        (_FREE, f"%41ccountSid=%41{FOREIGN[1:]}".encode(), "foreign_account"),
        (_FREE, f"TargetAccountSid={FOREIGN.lower()}".encode(), "foreign_account"),
        (_FREE, f'{{"AccountSid":"{FOREIGN}"}}='.encode(), "foreign_account"),
        (_FREE, f"AccountSid={OWN}&SubaccountSid={SUB}".encode(), ""),
        (_FREE, f"Body={FOREIGN}&IncludeSubaccounts=true".encode(), ""),
        (_FREE, b"Body=a&_method=DELETE", "method_override"),
        (_FREE, b"Body=a;_method=DELETE", "method_override"),
        (_REPORTING, b"%5Fmethod=DELETE", "method_override"),
    ],
)
def test_bodies_without_rules_and_in_report_mode(given: Consumer, body: bytes, slug: str) -> None:
    assert form(given, body) == slug


def test_json_bodies_are_pinned_too() -> None:
    def send(body: bytes) -> str:
        return form(_FREE, body, "/content/v1/Content", b"application/json")

    text = f'{{"account_sid": "{FOREIGN}"}}'
    assert send(text.encode()) == "foreign_account"
    assert send(text.replace("a", "\\u0061", 1).encode()) == "foreign_account"
    assert send(text.encode("utf-16-le")) == "bad_body"
    assert send(b'{"a": 1, "a": 2}') == ""
    assert send(b'{"account": 1, "account": 2}') == "bad_body"


def test_multipart_is_read_for_everybody() -> None:
    body, kind = multipart(f"AccountSid={FOREIGN}")
    assert form(_FREE, body, kind=kind) == "foreign_account"
    body, kind = multipart("_method=DELETE")
    assert form(_FREE, body, kind=kind) == "method_override"
    assert form(_FREE, body[:-4], kind=kind) == "bad_body"
    assert form(_RULED, body[:-4], kind=kind) == "form_rule"
