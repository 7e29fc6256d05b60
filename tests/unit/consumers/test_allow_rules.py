"""The language of `allow:`: what a rule covers, what it spells out, and what does not parse."""

import re

import pytest

from gateway.consumers.allow_rules import NAMED_SETS, RuleSet, parse_rules, split_path, strip_suffix
from tests.support.judging import FOREIGN, HOSTS, OWN

_A = f"/2010-04-01/Accounts/{OWN}"


def _rules(*texts: str) -> RuleSet:
    return parse_rules(texts, HOSTS.products)


@pytest.mark.parametrize(
    ("rule", "method", "product", "path", "covered"),
    [
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/Messages.json", True),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages.json", "POST", "api", _A + "/Messages", True),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/Messages.xml", True),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "GET", "api", _A + "/Messages.json", False),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "verify", _A + "/Messages", False),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/messages", False),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/Messages/", False),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/Messages/SM1", False),
        ("POST api /2010-04-01/Accounts/{AccountSid}/Messages", "POST", "api", _A + "/Messages.html", False),
        ("GET api /2010-04-01/Accounts/*/Messages/*", "GET", "api", _A + "/Messages/SM1", True),
        ("GET api /2010-04-01/Accounts/*/Messages/*", "GET", "api", _A + "/Messages/", False),
        ("GET api /2010-04-01/Accounts/*/Messages/*", "GET", "api", _A + "/Messages/SM1/Media", False),
        ("GET api /2010-04-01/Accounts/{AccountSid}/**", "GET", "api", _A + "/Messages/SM1/Media", True),
        ("GET api /2010-04-01/Accounts/{AccountSid}/**", "GET", "api", _A, True),
        ("GET api /2010-04-01/Accounts/{AccountSid}/**", "GET", "api", "/2010-04-01/Accounts", False),
        ("GET api /**/Media/*", "GET", "api", _A + "/Messages/SM1/Media/ME1", True),
        ("GET api /**/Media/*", "GET", "api", _A + "/Messages/SM1/Media", False),
        ("GET api /**/a/**/b", "GET", "api", "/x/a/a/b/c/b", True),
        ("GET api /**/a/**/b", "GET", "api", "/x/a/a/b/c", False),
        ("* * /**", "PATCH", "verify", "/", True),
        ("GET * /v1/Services", "GET", "messaging", "/v1/Services", True),
        ("* sync /v1/Services", "DELETE", "sync", "/v1/Services", True),
        ("GET partner.example.com /a", "GET", "partner.example.com", "/a", True),
    ],
)
def test_cover(rule: str, method: str, product: str, path: str, covered: bool) -> None:
    assert (_rules(rule).find(method, product, split_path(path)) is not None) == covered


@pytest.mark.parametrize(
    ("rule", "path", "exact"),
    [
        ("GET api /2010-04-01/Accounts", "/2010-04-01/Accounts.json", True),
        ("GET api /2010-04-01/Accounts/{Sid}", _A + ".json", True),
        (f"GET api /2010-04-01/Accounts/{OWN}", _A + ".json", True),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", _A + "/Keys.json", True),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys/{Sid}", _A + "/Keys/SK1", True),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", _A + "/keys", False),
        ("GET api /2010-04-01/Accounts/{AccountSid}/Keys", _A + "/Keys.html", False),
        ("GET api /2010-04-01/Accounts/*/Keys", _A + "/Keys", False),
        ("GET api /2010-04-01/Accounts/**", _A + "/Keys", False),
        ("* api /2010-04-01/Accounts/{AccountSid}/Keys", _A + "/Keys", False),
        ("GET * /2010-04-01/Accounts/{AccountSid}/Keys", _A + "/Keys", False),
        ("GET api /2010-04-01/Accounts/{AccountSid}/{List}", _A + "/Keys", False),
        ("GET api /2010-04-01/Accounts/{AccountSid}/{List}/{Sid}", _A + "/SigningKeys/SK1", False),
        ("GET api /2010-04-01/{List}/{Sid}", _A, False),
        ("GET api /2010-04-01/{List}", "/2010-04-01/accounts", False),
    ],
)
def test_exactness(rule: str, path: str, exact: bool) -> None:
    assert (_rules(rule).find_exact("GET", "api", split_path(path)) is not None) == exact


@pytest.mark.parametrize(
    ("name", "covers", "does_not"),
    [
        ("messages:send", [("POST", "api", _A + "/Messages.json")], [("GET", "api", _A + "/Messages.json")]),
        (
            "messages:read",
            [
                ("GET", "api", _A + "/Messages.json"),
                ("GET", "api", _A + "/Messages/SM1.json"),
                ("GET", "api", _A + "/Messages/SM1/Media.json"),
                ("GET", "api", _A + "/Messages/SM1/Media/ME1"),
            ],
            [("DELETE", "api", _A + "/Messages/SM1"), ("POST", "api", _A + "/Messages.json")],
        ),
        ("calls:create", [("POST", "api", _A + "/Calls")], [("POST", "api", _A + "/Calls/CA1")]),
        ("verify", [("POST", "verify", "/v2/Services/VA1/Verifications")], [("GET", "api", "/v2/Services")]),
        ("lookups", [("GET", "lookups", "/v2/PhoneNumbers/%2B1500")], [("GET", "verify", "/v2/a")]),
        ("read-only", [("GET", "sync", "/v1/Services")], [("POST", "sync", "/v1/Services")]),
        ("everything", [("DELETE", "sync", "/v1/Services/IS1"), ("GET", "api", "/")], []),
    ],
)
def test_named_sets(
    name: str, covers: list[tuple[str, str, str]], does_not: list[tuple[str, str, str]]
) -> None:
    rules = _rules(name)
    assert all(rules.find(method, product, split_path(path)) for method, product, path in covers)
    assert not any(rules.find(method, product, split_path(path)) for method, product, path in does_not)


def test_no_set_but_the_plain_ones_delegates_accounts_or_keys() -> None:
    rules = _rules(*NAMED_SETS)
    for path in ("/2010-04-01/Accounts", _A, _A + "/Keys", "/v1/Keys"):
        assert rules.find_exact("GET", "api", split_path(path)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("messages", "sets messages:send"),
        ("", "neither"),
        ("GET api", "neither"),
        ("GET api /a b", "neither"),
        ("FETCH api /a", "the method is one of DELETE, GET, PATCH, POST, PUT or *"),
        ("get api /a", "the method is one of"),
        ("HEAD api /a", "HEAD is GET's"),
        ("GET apis /a", "'apis' is no Twilio product"),
        ("GET api.twilio.com /a", "no Twilio product"),
        ("GET api a", "begins with /"),
        ("GET api /a*", "whole segments"),
        ("GET api /{a", "whole segments"),
        ("GET api /a{b}", "whole segments"),
        ("GET api /***", "whole segments"),
        ("GET api /a?b=1", "whole segments"),
    ],
)
def test_what_does_not_parse_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        _rules(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("Messages.json", "Messages"),
        ("Messages.xml", "Messages"),
        ("ME1.mp3", "ME1"),
        ("a.b.json", "a.b"),
        ("a.JSON", "a.JSON"),
        ("foo.bar", "foo.bar"),
        (".json", ".json"),
        ("json", "json"),
        ("", ""),
    ],
)
def test_suffixes(segment: str, expected: str) -> None:
    assert strip_suffix(segment) == expected


def test_the_first_rule_that_covers_is_found_whether_it_names_method_and_product_or_not() -> None:
    rules = _rules("* * /v1/a", "GET verify /v1/**", "GET * /v1/**", "* verify /v2/a")
    for method, product, path, text in (
        ("GET", "verify", "/v1/a", "* * /v1/a"),
        ("GET", "verify", "/v1/b", "GET verify /v1/**"),
        ("GET", "lookups", "/v1/b", "GET * /v1/**"),
        ("POST", "verify", "/v2/a", "* verify /v2/a"),
    ):
        found = rules.find(method, product, split_path(path))
        assert found is not None
        assert found.text == text
    assert rules.find("POST", "lookups", split_path("/v2/a")) is None
    assert rules.find("CONNECT", "verify", split_path("/v1/a")) is None


def test_only_the_last_segment_loses_its_suffix() -> None:
    assert split_path(f"/a.json/{FOREIGN}.json") == ("a.json", FOREIGN)
    assert split_path("/") == ("",)
