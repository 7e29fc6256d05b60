"""The proxies that were there before, and the hosts that they are not for."""

import pytest

from gateway.client_relay.former_proxies import (
    FormerProxy,
    UnusableProxy,
    covers_twilio,
    read_former_proxies,
    read_no_proxy,
)

PROXY = FormerProxy("proxy.example.com", 3128, False, "")


@pytest.mark.parametrize(
    ("environ", "scheme", "found"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://proxy.example.com:3128"}, "https", PROXY),
        ({"https_proxy": "http://proxy.example.com:3128", "HTTPS_PROXY": "http://x"}, "https", PROXY),
        ({"HTTPS_PROXY": "http://proxy.example.com:3128"}, "http", None),
        ({"all_proxy": "proxy.example.com:3128"}, "http", PROXY),
        ({"http_proxy": "http://a%40b:c%3Ad@proxy.example.com"}, "http",
         FormerProxy("proxy.example.com", 80, False, "Basic YUBiOmM6ZA==")),
        ({"https_proxy": "https://proxy.example.com"}, "https",
         FormerProxy("proxy.example.com", 443, True, "")),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": "example.org"}, "https", None),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": ".example.org"}, "https", None),
        ({"https_proxy": "http://proxy.example.com:3128", "NO_PROXY": "*"}, "https", None),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": "a.example.org:8443"}, "https", PROXY),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": "a.example.org:443"}, "https", None),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": "ample.org"}, "https", PROXY),
    ],
)  # fmt: skip
def test_which_proxy(environ: dict[str, str], scheme: str, found: FormerProxy | None) -> None:
    assert read_former_proxies(environ).find(scheme, "a.example.org", 443) == found


@pytest.mark.parametrize(("entry", "host"), [("10.0.0.0/8", "10.1.2.3"), ("::1", "::1"), ("[::1]", "::1")])
def test_addresses_without_a_proxy(entry: str, host: str) -> None:
    former = read_former_proxies({"https_proxy": "http://proxy.example.com:3128", "no_proxy": entry})
    assert former.find("https", host, 443) is None
    assert former.find("https", "192.0.2.1", 443) is not None


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "http://", "http://proxy:x", "http://proxy:99999"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_unusable(name: str, url: str) -> None:
    with pytest.raises(UnusableProxy, match=f"^{name} names"):
        read_former_proxies({name: url})


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        ("*", True), ("twilio.com", True), (".twilio.com", True), ("*.twilio.com", True), ("com", True),
        ("api.twilio.com", True), ("api.twilio.com:443", True), (".twilio.com.", True),
        ("example.com", False), ("mytwilio.com", False),
        ("twilio.com.example.org", False), ("localhost", False),
    ],
)  # fmt: skip
def test_exemptions_of_twilio(entry: str, covered: bool) -> None:
    assert covers_twilio(entry) is covered


def test_entries_come_once() -> None:
    assert read_no_proxy({"no_proxy": "a, B,,a ", "NO_PROXY": "b,c"}) == ["a", "b", "c"]
