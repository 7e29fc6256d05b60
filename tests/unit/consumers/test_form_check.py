"""Rows B1, B2 and B4: every parameter by its class, every spelling of a name, every AccountSid."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from gateway.consumers.consumer import Consumer, Mode
from gateway.consumers.form_rules import FormRules, match_prefix
from tests.support.judging import FOREIGN, MESSAGES, OWN, SUB, consumer, form
from tests.support.multiparts import multipart

_MG, _AP = "MG" + "0" * 32, "AP" + "0" * 32
_A = f"/2010-04-01/Accounts/{OWN}"
_FROM = FormRules(senders=frozenset({"+15005550006"}))
_TO = FormRules(recipients=(match_prefix("+1"),))
_HOSTS = FormRules(callback_hosts=("hooks.example.com",))
_ALL = FormRules(
    senders=frozenset({"+15005550006"}),
    messaging_services=frozenset({_MG}),
    recipients=(match_prefix("+1"),),
    callback_hosts=("hooks.example.com",),
    applications=frozenset({_AP}),
)
_JSON = b"application/json"


def _send(rules: FormRules, target: str, *pairs: str) -> str:
    body = "&".join(
        f"{name}={quote(value, safe='')}" for name, _, value in (pair.partition("=") for pair in pairs)
    )
    return form(consumer(forms=rules), body.encode(), target)


_NOTIFY = "/notify/v1/Services/IS1/Notifications"
_PARTICIPANT = "/conversations/v1/Conversations/CH1/Participants"
_TOO_FAR = "+4930123456"

_REFUSED = [
    (_FROM, MESSAGES, "FallbackFrom=+4930123456"),
    (_FROM, f"{_A}/Calls.json", "CallerId=+4930123456"),
    (_FROM, f"{_A}/Conferences/CF1/Participants.json", "CallerId=+4930123456"),
    (_FROM, _PARTICIPANT, "MessagingBinding.ProxyAddress=+4930123456"),
    (_FROM, _PARTICIPANT, "MessagingBinding.ProjectedAddress=+4930123456"),
    (_FROM, "/proxy/v1/Services/KS1/Sessions/KC1/Participants", "ProxyIdentifier=+4930123456"),
    (_FROM, "/taskrouter/v1/Workspaces/WS1/Tasks/WT1/Reservations/WR1", "CallFrom=+4930123456"),
    (_FROM, "/taskrouter/v1/Workspaces/WS1/Tasks/WT1/Reservations/WR1", "DequeueFrom=+4930123456"),
    (_FROM, "/messaging/v1/Services/MG1/PhoneNumbers", "PhoneNumberSid=PN1"),
    (_FROM, "/verify/v2/Services/VA1", f"Whatsapp.MsgServiceSid={_MG}"),
    (_TO, _PARTICIPANT, "MessagingBinding.Address=+4930123456"),
    (_TO, _NOTIFY, 'ToBinding={"binding_type":"sms","address":"+4930123456"}'),
    (_TO, _NOTIFY, "Identity=somebody"),
    (_TO, "/proxy/v1/Services/KS1/Sessions/KC1/Participants", "Identifier=+4930123456"),
    (_TO, f"{_A}/OutgoingCallerIds.json", "PhoneNumber=+4930123456"),
    (_TO, "/taskrouter/v1/Workspaces/WS1/Tasks/WT1/Reservations/WR1", "CallTo=+4930123456"),
    (_TO, "/studio/v2/Flows/FW1/Executions", "To=+4930123456"),
    (_TO, "/conversations/v1/ConversationWithParticipants",
     'Participant={"messaging_binding":{"address":"+4930123456","proxy_address":"+15005550006"}}'),
    (_HOSTS, "/events/v1/Sinks", 'SinkConfiguration={"destination":"https://evil.example/","method":"POST"}'),
    (_HOSTS, "/events/v1/Sinks", 'SinkConfiguration={"arn":"arn:aws:kinesis:us-east-1:1:stream/a"}'),
    (_HOSTS, "/events/v1/Sinks", "SinkConfiguration=https://hooks.example.com/"),
    (_HOSTS, "/studio/v2/Flows", 'Definition={"states":[]}'),
    (_HOSTS, MESSAGES, f"ApplicationSid={_AP}"),
    (_HOSTS, f"{_A}/Calls/CA1/Streams.json", "Url=wss://evil.example/"),
    (_HOSTS, f"{_A}/Calls.json", "AsyncAmdStatusCallback=https://evil.example/"),
    (_TO, f"{_A}/Calls.json", "Url=https://hooks.example.com/"),
    (_TO, f"{_A}/Calls.json", f"ApplicationSid={_AP}"),
    (_TO, f"{_A}/IncomingPhoneNumbers/PN1.json", "VoiceUrl=https://hooks.example.com/"),
    (_FROM, f"{_A}/Calls.json", "Url=https://hooks.example.com/"),
    (_FROM, f"{_A}/Calls.json", "Twiml=<Response><Dial callerId='+4930123456'>+1</Dial></Response>"),
    (replace(_ALL, applications=frozenset()), f"{_A}/Calls.json", f"ApplicationSid={_AP}"),
    (_ALL, f"{_A}/Calls.json", "ApplicationSid=AP" + "1" * 32),
    (_ALL, f"{_A}/Calls.json", "Url=https://evil.example/"),
    (_ALL, "/conversations/v1/Conversations/CH1/Webhooks", "Configuration.FlowSid=FW" + "1" * 32),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "target", "pair"), _REFUSED, ids=[f"B1-{case[2][:40]}" for case in _REFUSED]
)
def test_parameters_that_evaded_a_rule_are_refused(rules: FormRules, target: str, pair: str) -> None:
    assert _send(rules, target, pair) == "form_rule"
    reporting = consumer(forms=rules, mode=Mode.REPORT)
    name, _, value = pair.partition("=")
    assert form(reporting, f"{name}={quote(value)}".encode(), target) == "reported: form_rule"
    body, kind = multipart(pair)
    assert form(consumer(forms=rules), body, target, kind) == "form_rule"
    assert form(consumer(), body, target, kind) == ""


_PASSING = [
    (_ALL, MESSAGES, "FallbackFrom=+15005550006"),
    (_ALL, MESSAGES, "PersistentAction=geo:1,2"),
    (_ALL, f"{_A}/Calls.json", "Url=https://hooks.example.com/"),
    (_ALL, f"{_A}/Calls.json", f"ApplicationSid={_AP}"),
    (_ALL, f"{_A}/Calls/CA1/Streams.json", "Url=wss://hooks.example.com/"),
    (_ALL, _PARTICIPANT, "MessagingBinding.ProxyAddress=+15005550006"),
    (
        _ALL,
        _NOTIFY,
        'ToBinding={"binding_type":"sms","address":"+15005550001"}',
    ),
    (
        _ALL,
        "/events/v1/Sinks",
        'SinkConfiguration={"destination":"https://hooks.example.com/","method":"POST"}',
    ),
    (_ALL, "/chat/v2/Services/IS1/Channels/CH1/Messages", 'Attributes={"from": "+4930123456"}'),
    (_TO, MESSAGES, "StatusCallback=https://anywhere.example/"),
    (_HOSTS, f"{_A}/Calls.json", "From=+4930123456"),
    (FormRules(applications=frozenset({_AP})), f"{_A}/Calls.json", "Url=https://anywhere.example/"),
    (_ALL, MESSAGES, "body=hello"),
]


@pytest.mark.parametrize(
    ("rules", "target", "pair"), _PASSING, ids=[f"B1-{case[2][:40]}" for case in _PASSING]
)
def test_what_the_rules_permit_passes(rules: FormRules, target: str, pair: str) -> None:
    assert _send(rules, target, pair) == ""


@pytest.mark.parametrize("name", ["NewParameter", "Absender", "to2", "x.y", "From2"])
def test_b1_a_parameter_in_no_catalogue(name: str) -> None:
    assert _send(_ALL, MESSAGES, f"{name}=x") == "form_rule"
    assert _send(_ALL, "/verify/v2/Unknown", f"{name}=x") == "form_rule"
    assert _send(FormRules(), MESSAGES, f"{name}=x") == "form_rule"
    assert _send(replace(_ALL, reports_unknown=True), MESSAGES, f"{name}=x") == "reported: form_rule"
    assert form(consumer(), f"{name}=x".encode()) == ""


def test_b1_on_an_unknown_route_every_meaning_of_a_name_is_checked() -> None:
    assert _send(_ALL, "/verify/v2/Unknown", "PhoneNumber=+4930123456") == "form_rule"
    assert _send(_ALL, "/verify/v2/Unknown", "Body=+4930123456", "To=+15005550001") == ""


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("[From]", "form_rule"),
        ("[0][From]", "form_rule"),
        ("a[From]", "form_rule"),
        ("FROM", "form_rule"),
        (" From", "form_rule"),
        ("Fr%0Aom", "bad_body"),
        ("From%00", "bad_body"),
        ("%2546rom", "bad_body"),
        ("From%25zz", "bad_body"),
        ("%EF%BC%A6rom", "bad_body"),
        ("Me%C5%BFsagingServiceSid", "bad_body"),
        ("F%72om", "form_rule"),
    ],
)
@pytest.mark.parametrize("reports", [False, True])
def test_b2_every_spelling_of_a_ruled_name(name: str, slug: str, reports: bool) -> None:
    rules = replace(_ALL, reports_unknown=reports)
    assert form(consumer(forms=rules), f"{name}=%2B4930123456".encode()) == slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("[_method]", "method_override"),
        ("a[_method]", "method_override"),
        ("%EF%BC%BFmethod", "bad_body"),
        ("_met%00hod", "bad_body"),
        ("%255Fmethod", "bad_body"),
        ("[AccountSid]", "foreign_account"),
        ("Account%5FSid", "foreign_account"),
        ("%C4%B1ccountSid", "bad_body"),
    ],
)
def test_b2_overrides_and_accounts_without_form_rules(name: str, slug: str) -> None:
    assert form(consumer(), f"{name}={FOREIGN}".encode()) == slug


@pytest.mark.parametrize("name", ["=?utf-8?Q?From?=", "Fr\u00f6m", "From\x01", "%46rom"])
@pytest.mark.parametrize("rules", [None, _ALL])
def test_b2_names_in_multipart(name: str, rules: FormRules | None) -> None:
    part = f'--B0\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n+4930123456\r\n--B0--\r\n'
    slug = form(consumer(forms=rules), part.encode(), kind=b"multipart/form-data; boundary=B0")
    assert slug == ("bad_body" if rules is None else "form_rule")


_CONTENT = "/content/v1/Content"
_UNKNOWN_JSON = "/verify/v2/Unknown"


@pytest.mark.parametrize(
    "body",
    [
        '{"from": {"address": "+4930123456"}}',
        '{"to": [{"address": "+4930123456"}]}',
        '{"callback": {"href": "https://evil.example/"}}',
        '{"a": {"callback_url": "https://evil.example/"}}',
        '{"payload": {"from": {"address": "+4930123456"}}}',
        '{"Fr\u00f6m": "+49", "\uff26rom": "+4930123456"}',
        '{"\\u0046rom": "+4930123456"}',
    ],
)
def test_b4_json_is_checked_by_whole_paths(body: str) -> None:
    rules = replace(_ALL, reports_unknown=True)
    assert form(consumer(forms=rules), body.encode(), _UNKNOWN_JSON, _JSON) == "form_rule"
    assert form(consumer(forms=_ALL), body.encode(), _UNKNOWN_JSON, _JSON) == "form_rule"
    assert form(consumer(), body.encode(), _UNKNOWN_JSON, _JSON) == ""


def test_b4_json_in_no_catalogue_is_checked_by_what_its_paths_say() -> None:
    rules = replace(_ALL, reports_unknown=True)
    body = (
        '{"from": {"address": "+15005550006"}, "to": [{"address": "+15005550001"}], "content": {"text": "a"}}'
    )
    assert form(consumer(forms=rules), body.encode(), _UNKNOWN_JSON, _JSON) == "reported: form_rule"
    swapped = body.replace("0006", "0001")
    assert form(consumer(forms=rules), swapped.encode(), _UNKNOWN_JSON, _JSON) == "form_rule"


@pytest.mark.parametrize(
    ("target", "body", "slug"),
    [
        ("/messaging/v3/Indicators/Typing", '{"from": "+15005550006", "to": "+15005550001"}', ""),
        ("/messaging/v3/Indicators/Typing", '{"from": "+4930123456"}', "form_rule"),
        ("/messaging/v3/Indicators/Typing", '{"from": {"address": "+4930123456"}}', "form_rule"),
        ("/conversations/v2/Conversations/conv_1/Actions",
         '{"payload": {"to": {"address": "+4930123456"}, "content": {"text": "a"}}}', "form_rule"),
        ("/conversations/v2/Conversations/conv_1/Actions",
         '{"payload": {"channelSettings": {"a": "b"}}}', "form_rule"),
        (_CONTENT, '{"types": {"twilio/text": {"body": "a"}}, "variables": {"from": "+49"}}', ""),
        (_CONTENT, '{"types": {"twilio/new": {"body": "a"}}}', "form_rule"),
    ],
)  # fmt: skip
def test_b4_json_of_known_routes(target: str, body: str, slug: str) -> None:
    assert form(consumer(forms=_ALL), body.encode(), target, _JSON) == slug


def _only(sid: str) -> Consumer:
    return consumer(
        f"POST api /2010-04-01/Accounts/{sid}/Messages", f"POST api /2010-04-01/Accounts/{sid}/Calls"
    )


@pytest.mark.parametrize(
    ("given", "target", "body", "kind", "slug"),
    [
        (consumer(), _UNKNOWN_JSON, f'{{"account": {{"sid": "{FOREIGN}"}}}}', _JSON, "foreign_account"),
        (consumer(), _UNKNOWN_JSON, f'{{"owner": ["{FOREIGN}"]}}', _JSON, "foreign_account"),
        (consumer(), _UNKNOWN_JSON, f'{{"owner": "\\u0041{FOREIGN[1:]}"}}', _JSON, "foreign_account"),
        (consumer(), _CONTENT, f'{{"variables": {{"1": "{FOREIGN}"}}}}', _JSON, ""),
        (consumer(), _UNKNOWN_JSON, f'{{"account": {{"sid": "{SUB}"}}}}', _JSON, ""),
        (consumer(), MESSAGES, f"Sid={FOREIGN}", None, "foreign_account"),
        (consumer(), MESSAGES, f"Owner={FOREIGN}", None, "foreign_account"),
        (consumer(), MESSAGES, f"Owner=%20{FOREIGN.lower()}%20", None, "foreign_account"),
        (consumer(), MESSAGES, f"Owner=%41{FOREIGN[1:]}", None, "foreign_account"),
        (consumer(), MESSAGES, f"ContentSid={FOREIGN}", None, "foreign_account"),
        (consumer(), MESSAGES, f"Body={FOREIGN}", None, ""),
        (consumer(), "/events/v1/Sinks", f'SinkConfiguration={{"a":"{FOREIGN}"}}', None, "foreign_account"),
        (consumer(), "/verify/v2/Unknown", f"Body={FOREIGN}", None, ""),
        (_only(OWN), MESSAGES, f"AccountSid={OWN}", None, ""),
        (_only(OWN), MESSAGES, f"AccountSid={SUB}", None, "foreign_account"),
        (_only(OWN), MESSAGES, f"Owner={SUB}", None, "foreign_account"),
        (_only(OWN), f"{MESSAGES}?AccountSid={SUB}", "Body=a", None, "foreign_account"),
        (_only(OWN), f"{MESSAGES}?a=%41{SUB[1:]}", "Body=a", None, "foreign_account"),
        (_only(OWN), MESSAGES, f"Body={SUB}", None, ""),
    ],
)  # fmt: skip
def test_b4_accounts_are_pinned(
    given: Consumer, target: str, body: str, kind: bytes | None, slug: str
) -> None:
    if kind is None:
        assert form(given, body.encode(), target) == slug
    else:
        assert form(given, body.encode(), target, kind) == slug


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (MESSAGES, "StatusCallback=https://hooks.example.com/" + "a" * 9_000),
        (f"{_A}/Calls.json", "Twiml=" + "<Say/>" * 4_000),
        ("/events/v1/Sinks", "&".join(['SinkConfiguration={"method":"POST"}'] * 200)),
    ],
    ids=["url", "twiml", "documents"],
)
def test_c5_values_that_are_checked_are_bounded(target: str, body: str) -> None:
    assert form(consumer(forms=_ALL), body.encode(), target) == "form_rule"


@pytest.mark.parametrize("rules", [None, _ALL])
def test_c5_names_are_bounded(rules: FormRules | None) -> None:
    assert form(consumer(forms=rules), b"a." * 150 + b"=1") == "bad_body"


def test_c5_what_must_be_checked_is_bounded() -> None:
    assert form(consumer(), b"&".join([b"a=b"] * 4_000)) == "bad_body"
    many = "&".join(f"a_{index}=1" for index in range(300))
    assert form(consumer(forms=replace(_ALL, reports_unknown=True)), many.encode()) == "form_rule"
    values = b'{"from": [' + b",".join([b"1"] * 20_000) + b"]}"
    assert form(consumer(forms=_ALL), values, _UNKNOWN_JSON, _JSON) == "form_rule"
    assert form(consumer(), values.replace(b"from", b"account"), _UNKNOWN_JSON, _JSON) == "bad_body"
