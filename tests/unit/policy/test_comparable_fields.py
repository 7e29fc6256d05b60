"""What a create can be looked up and compared by, and what Twilio's changes do to that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.comparable_fields import (
    CALLS,
    SubjectKind,
    comparable_resource,
    digest_address,
    digest_comparable,
    is_address,
    is_equal,
    kind_of,
    normal_text,
    read_sought,
    redacted,
)
from gateway.twilio.message_segments import MESSAGES
from twilio_simulator.record_faults import alter_record

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
TO, SENDER = "+15005550006", "+15005550001"
MESSAGE, CALL = SubjectKind.MESSAGE, SubjectKind.CALL


def test_what_can_be_asked_about() -> None:
    assert kind_of("api", MESSAGES) is MESSAGE
    assert kind_of("api", CALLS) is CALL
    assert kind_of("api", "/2010-04-01/Accounts/{AccountSid}/Tokens") is None
    assert kind_of("verify", MESSAGES) is None


@pytest.mark.parametrize(
    "to", [TO, "+49301234567", "whatsapp:+15005550006", "messenger:1234", "sip:a@b.example"]
)
def test_recipients_that_lists_can_be_filtered_by(to: str) -> None:
    sought = read_sought(MESSAGE, [("Body", "hi"), ("To", f" {to} ")])
    assert sought is not None
    assert sought.lookup == (MESSAGE, to, "")
    assert to not in repr(sought) + repr(sought.lookup)


NOWHERE = [
    pytest.param([], id="none"),
    pytest.param([("To", "")], id="empty"),
    pytest.param([("To", "15005550006")], id="no plus"),
    pytest.param([("To", "(500) 555-0006")], id="national"),
    pytest.param([("To", "+1 500 555 0006")], id="spaces"),
    pytest.param([("To", "+1500555000612345")], id="too long"),
    pytest.param([("To", TO), ("To", TO)], id="two"),
    pytest.param([("to", TO)], id="another name"),
    pytest.param([("To", "whatsapp: +1")], id="a space in an address"),
    pytest.param([("To", f"{TO},{SENDER}")], id="a list"),
    pytest.param([("To", "sip:a@b.example;transport=tls")], id="a transport"),
    pytest.param([("To", "sip:a@b.example?x-header=1")], id="a header"),
    pytest.param([("To", "client:alice?name=value")], id="a client's parameter"),
    pytest.param([("To", TO), ("AddressRetention", "obfuscate")], id="obfuscated"),
]


@pytest.mark.parametrize("fields", NOWHERE)
def test_recipients_that_they_cannot(fields: list[tuple[str, str]]) -> None:
    assert read_sought(MESSAGE, fields) is None
    assert read_sought(CALL, fields) is None


def message(*fields: tuple[str, str]) -> str:
    """The digests of a message that was sent."""
    sought = read_sought(MESSAGE, [("To", TO), *fields])
    assert sought is not None
    return digest_comparable(sought.comparable, KEY)


def resource(**fields: object) -> dict[str, object]:
    return {
        "body": "hi there",
        "from": SENDER,
        "to": TO,
        "num_media": "0",
        "messaging_service_sid": None,
        **fields,
    }


def equals(sent: str, shown: dict[str, object], key: bytes = KEY) -> bool:
    return is_equal(sent, comparable_resource(MESSAGE, shown), key)


TEXT = ("Body", "hi there")
SMART = ("Body", "\N{LEFT DOUBLE QUOTATION MARK}hi\N{HORIZONTAL ELLIPSIS} there")
LINK = ("Body", "see https://a.example/x")
SERVICE, OTHER_SERVICE = "MG" + "0" * 32, "MG" + "1" * 32
BY_SERVICE = ("MessagingServiceSid", SERVICE)
EQUAL = [
    pytest.param([TEXT], {}, id="the same"),
    pytest.param([TEXT], {"from": "+15005550009"}, id="a replaced sender"),
    pytest.param([TEXT], {"body": ""}, id="a redacted text"),
    pytest.param([TEXT], {"body": None}, id="no text"),
    pytest.param([TEXT], {"body": "Sent from your Twilio trial account - hi there"}, id="a trial account"),
    pytest.param([SMART], {"body": '"hi... there'}, id="smart encoding"),
    pytest.param([("Body", " hi there\n")], {}, id="white space"),
    pytest.param([("ContentSid", "HX1")], {}, id="a template"),
    pytest.param([LINK, ("ShortenUrls", "true")], {"body": "see a.link/1"}, id="short links"),
    pytest.param([TEXT, BY_SERVICE], {"messaging_service_sid": SERVICE}, id="its service"),
    pytest.param([TEXT], {"messaging_service_sid": SERVICE}, id="a service of Twilio's choice"),
    pytest.param([TEXT, ("MediaUrl", "https://a.example/1")], {"num_media": "1"}, id="media"),
]  # fmt: skip
DIFFERENT = [
    pytest.param([TEXT], {"body": "hi her"}, id="another text"),
    pytest.param([("Body", "")], {"body": "hi"}, id="a text of nobody's"),
    pytest.param([("Body", "\N{GRINNING FACE}")], {"body": "\N{CRYING FACE}"}, id="another face"),
    pytest.param([TEXT, BY_SERVICE], {"messaging_service_sid": OTHER_SERVICE}, id="service"),
    pytest.param([TEXT], {"num_media": "1"}, id="media that were not sent"),
]


@pytest.mark.parametrize(("sent", "shown"), EQUAL)
def test_what_twilio_changes_is_not_compared(sent: list[tuple[str, str]], shown: dict[str, object]) -> None:
    assert equals(message(*sent), resource(**shown))


@pytest.mark.parametrize(("sent", "shown"), DIFFERENT)
def test_what_differs(sent: list[tuple[str, str]], shown: dict[str, object]) -> None:
    assert not equals(message(*sent), resource(**shown))


@given(
    st.text(max_size=300),
    st.sampled_from(["", "rewrite-body=smart", "rewrite-body=trial", "redact", "redact=body"]),
)
def test_a_text_is_equal_to_what_the_simulator_makes_of_it(text: str, fault: str) -> None:
    name, _, value = fault.partition("=")
    shown = resource(body=text)
    alter_record({name: value} if name else {}, shown)
    assert equals(message(("Body", text)), shown)


@given(st.text(), st.text())
def test_digests_say_nothing_without_their_key(one: str, other: str) -> None:
    digests = digest_comparable({"body": one}, KEY)
    assert digests == digest_comparable({"body": one}, KEY)
    assert digests != digest_comparable({"body": one}, OTHER_KEY)
    assert (digests == digest_comparable({"body": other}, KEY)) == (one == other)
    assert digest_address("AC1", one, KEY) != digest_address("AC2", one, KEY)


def test_a_replaced_key_finds_nothing_equal() -> None:
    assert not equals(message(TEXT), resource(), OTHER_KEY)


def test_a_call_is_compared_by_its_sender() -> None:
    sought = read_sought(CALL, [("To", TO), ("From", SENDER), ("Url", "https://a.example")])
    assert sought is not None
    assert sought.lookup == (CALL, TO, SENDER)
    digests = digest_comparable(sought.comparable, KEY)
    assert is_equal(digests, comparable_resource(CALL, {"from": SENDER}), KEY)
    assert not is_equal(digests, comparable_resource(CALL, {"from": TO}), KEY)


@pytest.mark.parametrize("sender", ["(500) 555-0001", "5005550001", "12345", "alice", "sip:a@b?c=d"])
def test_a_sender_that_twilio_writes_otherwise_hides_no_call(sender: str) -> None:
    sought = read_sought(CALL, [("To", TO), ("From", sender), ("Url", "https://a.example")])
    assert sought is not None
    assert sought.lookup == (CALL, TO, "")
    assert sought.comparable == {"from": sender}  # another program's call is not taken for it


def test_a_text_without_letters_is_itself() -> None:
    assert normal_text(" ?! ") == "?!"
    assert normal_text("") == normal_text("  ")
    assert normal_text("\N{SUPERSCRIPT TWO}A") == "2a"


def test_redacted_recipients() -> None:
    assert redacted(TO) == "+1500555XXXX"
    assert is_address(TO, TO)
    assert is_address("+1500555xxxx", TO)
    assert not is_address("+1500556XXXX", TO)
