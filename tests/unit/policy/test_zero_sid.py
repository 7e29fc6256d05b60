"""The all-zero SID in a body is the caller's own account; what is judged is what is sent."""

import pytest

from gateway.consumers.account_pinning import MY_ACCOUNT
from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.policy.bodies import Body
from gateway.policy.steps import check_body, decide_head, prepare
from tests.support.judging import FOREIGN, FORM, MESSAGES, OWN, SUB, caller, consumer, head, snapshot

ZEROS = MY_ACCOUNT
MULTIPART = b"multipart/form-data; boundary=b"
JSON = b"application/json"
CONTENT = "/content/v1/Content"


def part(name: str, value: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def judge(
    body: str, content_type: bytes = FORM, target: str = MESSAGES, given: Consumer | None = None
) -> Body:
    """The body as it is sent. Raises `Refusal`."""
    given, data = given or consumer(), body.encode()
    inbound = head("POST", target, (b"Content-Type", content_type), body=data)
    granted, plan = decide_head(snapshot(given), given, inbound, Exchange(0.0))
    checked = check_body(granted, plan, data, Exchange(0.0))
    prepared = prepare(snapshot(given), caller(given), inbound, granted, checked, streams=False)
    assert prepared.outbound.body == checked.data
    return checked


REPLACED = {
    "form": (f"AccountSid={ZEROS}&To=%2B1", FORM, MESSAGES),
    "form_last": (f"To=%2B1&AccountSid={ZEROS}", FORM, MESSAGES),
    "form_alone": (f"AccountSid={ZEROS}", FORM, MESSAGES),
    "form_repeated": (f"AccountSid={ZEROS}&AccountSid={ZEROS}", FORM, MESSAGES),
    "form_lower_name": (f"accountsid={ZEROS}&To=%2B1", FORM, MESSAGES),
    "form_escaped_name": (f"Account%53id={ZEROS}&To=%2B1", FORM, MESSAGES),
    "form_another_parameter": (f"MessagingServiceSid={ZEROS}&To=%2B1", FORM, MESSAGES),
    "multipart": (f"{part('AccountSid', ZEROS)}{part('To', '+1')}--b--\r\n", MULTIPART, MESSAGES),
    "json": (f'{{"accountSid": "{ZEROS}", "x": 1}}', JSON, CONTENT),
    "json_deep": (f'{{"a": [{{"account_sid":"{ZEROS}"}}, "{ZEROS}"]}}', JSON, CONTENT),
}


@pytest.mark.parametrize(("body", "kind", "target"), REPLACED.values(), ids=REPLACED)
def test_it_is_replaced(body: str, kind: bytes, target: str) -> None:
    sent = judge(body, kind, target)
    assert sent.data.decode() == body.replace(ZEROS, OWN)
    assert sent.fields is None or ZEROS not in str(sent.fields)


KEPT = {
    "message": (f"Body={ZEROS}&To=%2B1", FORM, MESSAGES),
    "part_of_a_message": (f"Body=your+account+{ZEROS}+is&To=%2B1", FORM, MESSAGES),
    "message_in_multipart": (f"{part('Body', ZEROS)}{part('To', '+1')}--b--\r\n", MULTIPART, MESSAGES),
}


@pytest.mark.parametrize(("body", "kind", "target"), KEPT.values(), ids=KEPT)
def test_free_text_is_sent_as_it_is(body: str, kind: bytes, target: str) -> None:
    assert judge(body, kind, target).data.decode() == body


REFUSED = {
    "escaped": (f"AccountSid=%41C{'0' * 32}", FORM, MESSAGES),
    "within": (f"AccountSid=x-{ZEROS}", FORM, MESSAGES),
    "name": (f"{ZEROS}=1&To=%2B1", FORM, MESSAGES),
    "before_a_semicolon": (f"AccountSid={ZEROS};To=%2B1", FORM, MESSAGES),
    "json_name": (f'{{"{ZEROS}": "1"}}', JSON, CONTENT),
    "json_end_of_a_string": (f'{{"account": "x \\"{ZEROS}"}}', JSON, CONTENT),
    "beside_free_text": (
        f"{part('Body', ZEROS)}{part('AccountSid', ZEROS)}--b--\r\n",
        MULTIPART,
        MESSAGES,
    ),
}


@pytest.mark.parametrize(("body", "kind", "target"), REFUSED.values(), ids=REFUSED)
def test_elsewhere_it_is_refused_with_advice(body: str, kind: bytes, target: str) -> None:
    with pytest.raises(Refusal, match="foreign_account") as refused:
        judge(body, kind, target)
    assert "send the account's own SID" in refused.value.detail


@pytest.mark.parametrize("other", [FOREIGN, ZEROS + "0", ZEROS[:-1] + "1"])
def test_no_other_sid_is_replaced(other: str) -> None:
    body = f"AccountSid={other}&To=%2B1"
    if len(other) == len(ZEROS):
        with pytest.raises(Refusal, match="foreign_account"):
            judge(body)
    else:
        assert judge(body).data.decode() == body


def test_it_is_the_credentials_account_below_a_subaccounts_path_too() -> None:
    """As in the path, where zeros name the same account."""
    sent = judge(f"AccountSid={ZEROS}", target=MESSAGES.replace(OWN, SUB))
    assert sent.data.decode() == f"AccountSid={OWN}"


def test_a_rule_that_spells_out_an_account_holds_for_what_is_sent() -> None:
    given = consumer(f"* api /2010-04-01/Accounts/{SUB}/**")
    with pytest.raises(Refusal, match="foreign_account"):
        judge(f"AccountSid={ZEROS}", target=MESSAGES.replace(OWN, SUB), given=given)


def test_what_is_converted_is_replaced() -> None:
    given = consumer(convert=True)
    sent = judge(f'{{"AccountSid": "{ZEROS}", "To": "+1"}}', JSON, given=given)
    assert OWN.encode() in sent.data
    assert ZEROS.encode() not in sent.data
