"""Health of keys: one refusal moves an exchange on, a second puts the key aside for everybody."""

import pytest

from gateway.consumers.credentials import Account, ApiKey
from gateway.upstream.key_health import KeyHealth
from tests.support.judging import OWN

_ONE, _TWO, _THREE = (ApiKey(f"SK{n}", f"Basic {n}".encode()) for n in range(3))
_ACCOUNT = Account(OWN, (_ONE, _TWO, _THREE))
_MESSAGES = f"/2010-04-01/Accounts/{OWN}/Messages.json?PageSize=1"


def test_keys_are_tried_as_configured_and_those_put_aside_last() -> None:
    ring = KeyHealth()
    assert ring.order(_ACCOUNT) == (_ONE, _TWO, _THREE)
    ring.disable(_ONE, 1.0)
    assert ring.is_disabled(_ONE)
    assert ring.order(_ACCOUNT) == (_TWO, _THREE, _ONE)
    ring.disable(_THREE, 2.0)
    assert ring.order(_ACCOUNT) == (_TWO, _ONE, _THREE)


def test_a_single_key_is_used_whatever_is_known_of_it() -> None:
    ring = KeyHealth()
    ring.disable(_ONE, 1.0)
    assert ring.order(Account(OWN, (_ONE,))) == (_ONE,)


def test_health_is_the_keys_not_the_accounts() -> None:
    ring = KeyHealth()
    ring.disable(ApiKey("another label", _ONE.authorization), 1.0)
    assert ring.order(_ACCOUNT) == (_TWO, _THREE, _ONE)


def test_a_success_or_a_passed_test_restores_a_key() -> None:
    ring = KeyHealth()
    ring.disable(_ONE, 1.0)
    ring.note_success(_ONE, "POST", "api.twilio.com", "/x")
    assert not ring.is_disabled(_ONE)
    ring.disable(_TWO, 1.0)
    ring.restore(_TWO)
    assert not ring.is_disabled(_TWO)
    ring.restore(_THREE)
    assert ring.order(_ACCOUNT) == (_ONE, _TWO, _THREE)


def test_a_key_is_tested_by_the_first_read_that_it_made() -> None:
    ring = KeyHealth()
    ring.note_success(_ONE, "POST", "api.twilio.com", "/created")
    ring.note_success(_ONE, "GET", "verify.twilio.com", "/first")
    ring.note_success(_ONE, "GET", "verify.twilio.com", "/second")
    assert ring.due_probe(_ACCOUNT, _ONE, "sync.twilio.com", 0.0) == ("verify.twilio.com", "/first")


@pytest.mark.parametrize(
    ("host", "tested"),
    [
        ("api.twilio.com", "api.twilio.com"),
        ("verify.twilio.com", "api.twilio.com"),
        ("verify.dublin.ie1.twilio.com", "api.dublin.ie1.twilio.com"),
        ("api.sydney.au1.twilio.com", "api.sydney.au1.twilio.com"),
        ("mcs.us1.twilio.com", "api.us1.twilio.com"),
    ],
)
def test_without_such_a_read_the_accounts_messages_serve(host: str, tested: str) -> None:
    assert KeyHealth().due_probe(_ACCOUNT, _TWO, host, 0.0) == (tested, _MESSAGES)


@pytest.mark.parametrize("host", ["partner.example.com", "api.example.com", "partner"])
def test_a_key_is_not_tested_on_a_host_that_nobody_named(host: str) -> None:
    ring = KeyHealth()
    assert ring.due_probe(_ACCOUNT, _ONE, host, 0.0) is None


def test_a_key_is_tested_once_a_minute() -> None:
    ring = KeyHealth()
    host = "api.twilio.com"
    assert ring.due_probe(_ACCOUNT, _ONE, host, 100.0) is not None
    assert ring.due_probe(_ACCOUNT, _ONE, host, 159.9) is None
    assert ring.due_probe(_ACCOUNT, _TWO, host, 159.9) is not None
    assert ring.due_probe(_ACCOUNT, _ONE, host, 160.0) is not None
