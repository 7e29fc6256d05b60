"""Whom a request is meant to reach, however it is written."""

import pytest

from gateway.policy.bodies import NO_BODY, Body, BodyFormat
from gateway.rate_limits.destinations import UNREADABLE, find_destinations, normalise
from tests.support.judging import CATALOGUE

NUMBER = "15550100001"


_MESSAGES = CATALOGUE.match("api", "POST", "/2010-04-01/Accounts/AC1/Messages.json")


def form(text: str) -> Body:
    return Body(text.encode(), BodyFormat.FORM)


CASES = [
    pytest.param("POST", "", form("To=%2B15550100001&Body=hi"), (NUMBER,), id="form"),
    pytest.param("POST", "", form("to=%2B15550100001"), (NUMBER,), id="name_in_lower_case"),
    pytest.param("POST", "", form("To[0]=%2B15550100001&To=15550100002"), (NUMBER, "15550100002"), id="two"),
    pytest.param("POST", "", form("To=%2B15550100001&To=sms:15550100001"), (NUMBER,), id="the_same_twice"),
    pytest.param("POST", "", form("To=&Body=hi"), (), id="empty"),
    pytest.param("POST", "", form("Body=To%3D1"), (), id="none"),
    pytest.param("POST", "To=%2B15550100001", NO_BODY, (NUMBER,), id="query"),
    pytest.param("GET", "To=%2B15550100001", NO_BODY, (), id="a_filter_is_no_destination"),
    pytest.param("POST", "", Body(b'{"to": "+15550100001"}', BodyFormat.JSON), (NUMBER,), id="json"),
    pytest.param("POST", "", Body(b"{", BodyFormat.JSON), (UNREADABLE,), id="unreadable"),
    pytest.param("POST", "", form("To=%ff"), (UNREADABLE,), id="unreadable_form"),
    pytest.param("POST", "", Body(b"\xff", BodyFormat.RAW), (UNREADABLE,), id="upload"),
    pytest.param(
        "POST", "", Body(
            b'--b\r\nContent-Disposition: form-data; name="To"\r\n\r\n+15550100001\r\n--b--\r\n',
            BodyFormat.MULTIPART, "b",
        ), (NUMBER,), id="multipart",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "query", "body", "expected"), CASES)
def test_found(method: str, query: str, body: Body, expected: tuple[str, ...]) -> None:
    assert find_destinations(method, query, body, _MESSAGES) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+15550100001", NUMBER),
        (" +1 (555) 010-0001 ", NUMBER),
        ("WhatsApp:+15550100001", NUMBER),
        ("sms:15550100001", NUMBER),
        ("client:Alice1234567", "client:alice1234567"),
        ("sip:15550100001@example.com", "sip:15550100001@example.com"),
        ("messenger:1234567", "1234567"),
        ("someone@example.com", "someone@example.com"),
        ("911", "911"),
        ("", ""),
    ],
)
def test_normalised(written: str, expected: str) -> None:
    assert normalise(written) == expected
