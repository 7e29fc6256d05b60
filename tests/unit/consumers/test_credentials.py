"""What we hold of Twilio's: whose it is, and that no representation shows it."""

import base64

import pytest

from gateway.consumers.credentials import basic_value, mask_sid
from tests.support.judging import FOREIGN, OWN, SUB, TWILIO_SECRET, consumer, credential


def test_a_credential_owns_its_accounts_exactly() -> None:
    given = credential()
    assert [given.owns(sid) for sid in (OWN, SUB, FOREIGN, OWN.lower(), OWN.upper(), "")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert given.account_of(SUB).sid == SUB
    assert given.account_of("").sid == OWN


def test_no_representation_shows_a_key() -> None:
    for value in (credential(), credential().account, credential().account.keys, consumer()):
        assert TWILIO_SECRET.decode() not in repr(value)
        assert "Basic" not in repr(value)


def test_basic_values() -> None:
    assert base64.b64decode(basic_value("SK1", "sécret")[6:]) == "SK1:sécret".encode()


@pytest.mark.parametrize(("sid", "masked"), [(OWN, "AC1111…111a"), ("SK1234567890", "…"), ("", "…")])
def test_masks(sid: str, masked: str) -> None:
    assert mask_sid(sid) == masked
