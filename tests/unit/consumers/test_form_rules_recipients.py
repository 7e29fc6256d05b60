"""Who may be reached: prefixes, countries, and what is no number at all."""

import pytest

from gateway.consumers.form_rules import match_country, match_prefix


def test_a_channel_is_looked_through_for_numbers_only() -> None:
    number, client = match_prefix("+1"), match_prefix("client:")
    assert number("whatsapp:+1500")
    assert not number("client:+1500")
    assert client("client:a")
    assert not client("sms:client:a")


@pytest.mark.parametrize(
    ("country", "value", "expected"),
    [
        ("US", "+14155552671", True),
        ("CA", "+14155552671", False),
        ("CA", "+16135550123", True),
        ("US", "whatsapp:+1 415 555 2671", True),
        ("DE", "+4930123456", True),
        ("US", "+4930123456", False),
        ("US", "4155552671", False),
        ("US", "+14155552671 or +4930123456", False),
        ("US", "x+14155552671", False),
        ("US", "+1415555CALL", False),
        ("US", "+1", False),
        ("US", "", False),
    ],
)
def test_countries(country: str, value: str, expected: bool) -> None:
    pytest.importorskip("phonenumbers")
    assert match_country(country)(value) == expected
