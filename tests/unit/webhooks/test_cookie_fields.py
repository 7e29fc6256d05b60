"""Cookies: Domain and Path are what Twilio must see to send them back; nothing else of one changes."""

import pytest

from gateway.webhooks.cookie_fields import move_cookie
from tests.support.webhook_rules import make_route, make_rules

VOICE = make_route("/voice/orders/**", "http://orders.internal:8000/twilio/**")
SMS = make_route("/sms/orders", "http://orders.internal:8000/twilio/sms")
ROOT = make_route("/all/**", "http://orders.internal/**")

ROWS = [
    (VOICE, "a=1", "a=1"),
    (VOICE, "a=1; Path=/; HttpOnly; Secure; SameSite=Lax", "a=1; Path=/; HttpOnly; Secure; SameSite=Lax"),
    (VOICE, "a=1; Path=/twilio", "a=1; Path=/voice/orders"),
    (VOICE, "a=1; path=/twilio/; Max-Age=5", "a=1; path=/voice/orders/; Max-Age=5"),
    (VOICE, "a=1;Path=/twilio/menu", "a=1;Path=/voice/orders/menu"),
    (VOICE, "a=1; Path=/twiliox", "a=1; Path=/"),
    (VOICE, "a=1; Path=", "a=1; Path="),
    (VOICE, "a=1; Domain=orders.internal; Path=/", "a=1; Path=/"),
    (VOICE, "a=1; DOMAIN=.Hooks.Example.com", "a=1; DOMAIN=.Hooks.Example.com"),
    (VOICE, "a=1; Domain=example.com", "a=1; Domain=example.com"),
    (VOICE, "a=1; Domain=ample.com", "a=1"),
    (VOICE, "a=1; Domain=", "a=1"),
    (VOICE, "a=x=y; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "a=x=y; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
    (VOICE, "path=/twilio", "path=/twilio"),
    (SMS, "a=1; Path=/twilio/sms", "a=1; Path=/"),
    (ROOT, "a=1; Path=/x", "a=1; Path=/all/x"),
    (ROOT, "a=1; Path=/", "a=1; Path=/"),
]


@pytest.mark.parametrize(("route", "given", "expected"), ROWS, ids=[row[1] + row[0].path for row in ROWS])
def test_moving(route: object, given: str, expected: str) -> None:
    assert route in (VOICE, SMS, ROOT)
    rules = make_rules(VOICE, SMS, ROOT)
    each = next(known for known in rules.routes if known is route)
    assert move_cookie(given.encode(), rules, each).decode() == expected


def test_what_stands_before_a_path_publicly() -> None:
    rules = make_rules(VOICE, public_url="https://hooks.example.com/in")
    assert move_cookie(b"a=1; Path=/twilio/x", rules, VOICE) == b"a=1; Path=/in/voice/orders/x"
