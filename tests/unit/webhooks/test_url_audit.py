"""What becomes of the URLs that Twilio has been given."""

import pytest

from gateway.webhooks.url_audit import UrlVerdict, judge_url
from tests.support.running import ACCOUNT_SID
from tests.support.webhook_rules import make_route, make_rules

RULES = make_rules(
    make_route("/sms"),
    make_route("/voice/**", "http://orders/**"),
    make_route("/unsigned", secrets=[]),
    make_route("/slash/"),
)
OTHER = "AC" + "9" * 32
ROWS = [
    ("https://hooks.example.com/sms", UrlVerdict.RELAYED, "/sms"),
    ("https://hooks.example.com:443/sms?a=1", UrlVerdict.RELAYED, "/sms"),
    ("https://hooks.example.com/sms#rc=2&rp=all", UrlVerdict.RELAYED, "/sms"),
    ("https://hooks.example.com/voice/a/b?x=1", UrlVerdict.RELAYED, "/voice/**"),
    ("https://hooks.example.com/slash/", UrlVerdict.RELAYED, "/slash/"),
    ("https://hooks.example.com/sms/", UrlVerdict.NO_ROUTE, ""),
    ("https://hooks.example.com/SMS", UrlVerdict.NO_ROUTE, ""),
    ("https://hooks.example.com", UrlVerdict.NO_ROUTE, ""),
    ("https://hooks.example.com/voice/../admin", UrlVerdict.NO_ROUTE, ""),
    ("http://hooks.example.com/sms", UrlVerdict.BREAKS, "/sms"),
    ("https://hooks.example.com:8443/sms", UrlVerdict.BREAKS, "/sms"),
    ("https://Hooks.Example.com/sms", UrlVerdict.BREAKS, "/sms"),
    ("https://hooks.example.com./sms", UrlVerdict.BREAKS, "/sms"),
    ("HTTPS://hooks.example.com/sms", UrlVerdict.BREAKS, "/sms"),
    ("https://hooks.example.com/unsigned", UrlVerdict.BREAKS, "/unsigned"),
    ("https://demo.twilio.com/welcome/voice/", UrlVerdict.BYPASSES, ""),
    ("https://user:s3cret@hooks.example.com/sms", UrlVerdict.BREAKS, ""),
    ("not a url", UrlVerdict.BREAKS, ""),
]


@pytest.mark.parametrize(("url", "verdict", "route"), ROWS, ids=[row[0] for row in ROWS])
def test_urls(url: str, verdict: UrlVerdict, route: str) -> None:
    found = judge_url(RULES, ACCOUNT_SID, url)
    assert (found.verdict, found.route) == (verdict, route)
    assert bool(found.detail) is (verdict is not UrlVerdict.RELAYED)
    assert "s3cret" not in found.detail


def test_a_path_that_is_close_to_a_route_says_so() -> None:
    assert judge_url(RULES, ACCOUNT_SID, "https://hooks.example.com/SMS/").detail.endswith("; /sms is close")


def test_a_public_url_in_capitals_is_good_as_it_is_and_in_lower_case() -> None:
    rules = make_rules(make_route("/sms"), public_url="HTTPS://Hooks.Example.com")
    for url in ("HTTPS://Hooks.Example.com/sms", "https://hooks.example.com/sms"):
        assert judge_url(rules, ACCOUNT_SID, url).verdict is UrlVerdict.RELAYED
    assert judge_url(rules, ACCOUNT_SID, "https://HOOKS.example.com/sms").verdict is UrlVerdict.BREAKS


def test_another_account_does_not_sign_for_a_route() -> None:
    assert judge_url(RULES, OTHER, "https://hooks.example.com/sms").verdict is UrlVerdict.BREAKS
