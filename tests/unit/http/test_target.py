"""The canonical target: accepted byte for byte, or refused."""

import pytest

from gateway.errors import Refusal
from gateway.http.target import Target, require_target

_LONG = "/2010-04-01/Accounts/AC1/Messages.json?PageToken=PA" + "0f" * 8000


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/2010-04-01/Accounts/AC1/Messages.json",
        "/v1/PhoneNumbers/%2B15005550006",
        "/v2/Services/IS1/Users/jane.doe@example.com",
        "/v1/Services/IS1/Documents/a.b..c.json",
        "/v1/Services/IS1/Documents/..c",
        "/v1/Services/IS1/Documents/%F0%9F%98%80",
        "/v1/Services/IS1/Documents/%E2%82%AC%20100%25",
        "/v1/Services/IS1/Documents/~a_b-c!$&'()*+,=:@",
        "/v1/Services/IS1/Documents/a%3Bb%3Fc%23d%40e",
        "/v2/Services/IS1/Users/auth0|5f7c[0]^",
        "/v1/trailing/",
        "/@evil.example/2010-04-01",
        "/Messages.json?DateSent<=2020-01-01",
        "/Messages.json?DateSent%3C=2020-01-01&DateSent>=2019-01-01",
        "/Messages.json?To=%2B15005550006&From=+1500",
        "/Messages.json?a=/../b&c=//d?e",
        "/Messages.json?name=%41%2e%2F%5C",
        '/Messages.json?q={"a":[1|2]}^`\\',
        _LONG,
    ],
    ids=lambda target: target[:60],
)
def test_a_canonical_target_is_kept_byte_for_byte(target: str) -> None:
    found = require_target(target)
    assert (f"{found.path}?{found.query}" if found.query else found.path) == target
    assert (found.scheme, found.authority) == ("", "")


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("//2010-04-01/Accounts/AC0.json", "/2010-04-01/Accounts/AC0.json"),
        ("//v1/Services", "/v1/Services"),
        ("/api//2010-04-01/Accounts", "/api/2010-04-01/Accounts"),
        ("//api/2010-04-01/Accounts", "/api/2010-04-01/Accounts"),
        ("//api//2010-04-01", "/api/2010-04-01"),
        ("/messaging//v1/Services/MG0", "/messaging/v1/Services/MG0"),
        ("/flex-api//v2/x", "/flex-api/v2/x"),
        ("/partner.example.com//v12/x", "/partner.example.com/v12/x"),
    ],
)
def test_a_doubled_slash_before_the_version_is_one(path: str, served: str) -> None:
    """As a base URL that ends in a slash brings it about."""
    for target in (path, f"{path}?a=//b"):
        assert require_target(target).path == served
    assert require_target(f"http://api.twilio.com{path}").path == served


@pytest.mark.parametrize(
    "path",
    [
        "///2010-04-01/a", "/api///v1/a", "//2010-04-01//a", "//a/b", "/a/b//v1/c", "/v1//v1/x//y", "//v1x/a",
        "//2010-04-1/a", "//..//v1/a", "/%61pi//v1/a",
    ],
)  # fmt: skip
def test_any_other_doubled_slash_is_refused(path: str) -> None:
    with pytest.raises(Refusal, match="bad_target"):
        require_target(path)


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b", "/a/./b", "/..", "/.", "/a/..", "//a", "/a//b", "/a//",
        "/a/%2e%2e/b", "/a/%2E/b", "/a/.%2e/b", "/%2e%2e%2fb", "/a/%252e%252e/b", "/a%252fb", "/a%2500",
        "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a\\b", "/a%00", "/a%0d%0aX:1", "/a%1f", "/a%7f", "/a%7F",
        "/%41C1", "/%61c1", "/%7e", "/%7E", "/%5Fa", "/%5f", "/%30", "/%39", "/%2d", "/%2D", "/%5a", "/%7a",
        "/a%c0%ae", "/a%C1%81", "/a%e0%80%af", "/a%f0%80%80%af", "/a%f5%80", "/a%FF",
        "/a;b", "/a;/b", "/a#b", "/a%", "/a%4", "/a%zz", "/a%-1", "/a b", "/a\tb", "/a\r\nb", "/a\n",
        "/a\x00",
        '/a"b', "/a<b", "/a{b}", "/a`b", "/é", "/\u212a", "/\udc80",
    ],
)  # fmt: skip
def test_any_other_path_is_refused(path: str) -> None:
    for target in (path, f"{path}?a=1", f"http://api.twilio.com{path}"):
        with pytest.raises(Refusal, match="bad_target") as refusal:
            require_target(target)
        assert refusal.value.status == 400


@pytest.mark.parametrize(
    "query",
    [
        "a=1;b=2",
        "a=1#b",
        "a=%00",
        "a%0d=b",
        "b=1&a%0A",
        "%09",
        "a=%0b",
        "a%1F",
        "a=%7f",
        "a=%",
        "a=%4",
        "a=%g1",
        "a b",
        "a=\n",
        "a=é",
    ],
)
def test_any_other_query_is_refused(query: str) -> None:
    with pytest.raises(Refusal, match="bad_target"):
        require_target(f"/Messages.json?{query}")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://api.twilio.com/a?b=1", Target("http", "api.twilio.com", "/a", "b=1")),
        ("HTTPS://API.Twilio.com:443/a", Target("https", "api.twilio.com:443", "/a", "")),
        ("http://gateway", Target("http", "gateway", "/", "")),
        ("http://gateway?a=1", Target("http", "gateway", "/", "a=1")),
        ("http://[::1]:8080/a", Target("http", "[::1]:8080", "/a", "")),
        ("/a?", Target("", "", "/a", "")),
    ],
)
def test_absolute_form_is_taken_apart(target: str, expected: Target) -> None:
    assert require_target(target) == expected


@pytest.mark.parametrize(
    "target",
    [
        "", "*", "api.twilio.com:443", "2010-04-01/Accounts", "?a=1", "#", ":443@evil.example/a",
        "ftp://api.twilio.com/a", "http:/api.twilio.com/a", "http:///a", "http://", "http://:80/a",
        "http://user@api.twilio.com/a", "http://api.twilio.com@evil.example/a", "http://a#b", "http://a;b/",
        "http://a%2eb/", "http://a\\b/", "http://a,b/", "http://a b/", "http://a:b/", "http://a:123456/",
        "http\u017f://api.twilio.com/a", "http://tas\u212arouter.twilio.com/a", "http://a\n/b",
    ],
)  # fmt: skip
def test_what_is_neither_form_is_refused(target: str) -> None:
    with pytest.raises(Refusal, match="bad_target"):
        require_target(target)


@pytest.mark.parametrize(
    "query",
    [
        "TargetWorkersExpression=a%0AAND%20b&x=%0d%0a%09",
        "AddressLine1=1%0D%0AMain%09St&b",
        "a=%09",
        "a&b=%0A&c",
        "a=b=%0D",
    ],
)
def test_a5_line_breaks_and_tabs_in_query_values_pass_byte_for_byte(query: str) -> None:
    assert require_target(f"/v1/Workers?{query}").query == query


@pytest.mark.parametrize("target", ["/v1/a%0Ab", "/v1/a%09?b=1", "/v1/a?b%0D=1", "/v1/a?x=1&%0A=2"])
def test_a5_paths_and_names_stay_strict(target: str) -> None:
    with pytest.raises(Refusal, match="bad_target"):
        require_target(target)
