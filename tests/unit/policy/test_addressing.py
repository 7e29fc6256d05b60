"""Which host a request goes to: four ways to say it, and no host that was not named to us."""

import pytest

from gateway.errors import Refusal
from gateway.http.request_head import require_head
from gateway.policy.addressing import (
    Address,
    canonical_authority,
    regional_suffix,
    resolve_address,
    upstream_host,
)
from tests.support.judging import HOSTS


def _resolve(target: str, host: bytes = b"gateway.internal:8080") -> Address:
    return resolve_address(HOSTS, require_head("GET", target, (1, 1), ((b"Host", host),)))


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        # 1. absolute-form
        ("http://api.twilio.com/2010-04-01/A", b"x", ("api", "/2010-04-01/A", "", "")),
        ("https://verify.twilio.com:443/v2/S", b"x", ("verify", "/v2/S", "", "")),
        ("http://VERIFY.twilio.com:80/v2/S", b"x", ("verify", "/v2/S", "", "")),
        ("http://api.dublin.ie1.twilio.com/a", b"x", ("api", "/a", "", "ie1")),
        ("http://api.us1.twilio.com/a", b"x", ("api", "/a", "", "us1")),
        ("http://partner.example.com/a", b"x", ("partner.example.com", "/a", "", "")),
        # … to ourselves: a prefix, and Host is void
        ("http://gateway.internal:8080/verify/v2/S", b"api.twilio.com", ("verify", "/v2/S", "/verify", "")),
        ("http://localhost:8080/2010-04-01/A", b"x", ("api", "/2010-04-01/A", "", "")),
        # 2. Host
        ("/v2/S", b"verify.twilio.com", ("verify", "/v2/S", "", "")),
        ("/v2/S", b"Verify.Twilio.Com:8443", ("verify", "/v2/S", "", "")),
        ("/verify/v2/S", b"api.twilio.com", ("api", "/verify/v2/S", "", "")),
        ("/a", b"api.sydney.au1.twilio.com", ("api", "/a", "", "au1")),
        ("/v1/Services/IS/Media", b"mcs.us1.twilio.com", ("mcs", "/v1/Services/IS/Media", "", "")),
        ("/a", b"partner.example.com", ("partner.example.com", "/a", "", "")),
        # 3. prefix
        ("/verify/v2/S", b"x", ("verify", "/v2/S", "/verify", "")),
        ("/api/2010-04-01/A", b"127.0.0.1:8080", ("api", "/2010-04-01/A", "/api", "")),
        ("/api/", b"x", ("api", "/", "/api", "")),
        ("/mcs/v1/S", b"x", ("mcs", "/v1/S", "/mcs", "")),
        ("/flex-api/v1/S", b"[::1]:8080", ("flex-api", "/v1/S", "/flex-api", "")),
        ("/partner.example.com/a", b"x", ("partner.example.com", "/a", "/partner.example.com", "")),
        # A8: the dot of a fully qualified name, and IPv6 addresses of our own in any spelling
        ("http://api.twilio.com./a", b"x", ("api", "/a", "", "")),
        ("http://api.twilio.com.:80/a", b"x", ("api", "/a", "", "")),
        ("/v2/S", b"verify.twilio.com.", ("verify", "/v2/S", "", "")),
        ("/v2/S", b"verify.twilio.com.:8443", ("verify", "/v2/S", "", "")),
        ("http://gateway.internal.:8080/verify/v2/S", b"x", ("verify", "/v2/S", "/verify", "")),
        ("http://[::1]:8080/verify/v2/S", b"x", ("verify", "/v2/S", "/verify", "")),
        ("http://[0:0:0:0:0:0:0:1]:8080/2010-04-01/A", b"x", ("api", "/2010-04-01/A", "", "")),
        # 4. bare
        ("/2010-04-01/Accounts/AC1", b"x", ("api", "/2010-04-01/Accounts/AC1", "", "")),
        ("/2010-04-01", b"x", ("api", "/2010-04-01", "", "")),
    ],
)
def test_a8_four_ways(target: str, host: bytes, expected: tuple[str, str, str, str]) -> None:
    address = _resolve(target, host)
    assert (address.product, address.path, address.prefix, address.region) == expected


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://evil.example/2010-04-01/A", b"api.twilio.com"),
        ("http://twilio.com/2010-04-01/A", b"x"),
        ("http://api.twilio.com.evil.example/a", b"x"),
        ("http://eviltwilio.com/a", b"x"),
        ("http://unknown.twilio.com/a", b"x"),
        ("http://a.b.c.api.twilio.com/a", b"x"),
        ("http://api.a.b.c.twilio.com/a", b"x"),
        ("http://api.twilio.com:8080/a", b"x"),
        ("http://api.twilio.com:443/a", b"x"),
        ("https://api.twilio.com:80/a", b"x"),
        ("http://mcs.twilio.com/a", b"x"),
        ("http://gateway.internal:81/api/a", b"gateway.internal:8080"),
        ("http://[::1]/api/a", b"x"),
        ("/a", b"unknown.twilio.com"),
        ("/a", b"mcs.twilio.com"),
        ("/a", b"mcs.dublin.ie1.twilio.com"),
        ("/a", b"serverless-upload.us1.twilio.com"),
        ("/a", b"x"),
        ("/", b"x"),
        ("/api", b"x"),
        ("/API/2010-04-01/A", b"x"),
        ("/unknown/v1/A", b"x"),
        ("/2010-04-010/A", b"x"),
        ("/@evil.example/2010-04-01", b"x"),
    ],
)
def test_anything_else_is_404_and_lists_the_four_ways(target: str, host: bytes) -> None:
    with pytest.raises(Refusal, match="unknown_address") as refusal:
        _resolve(target, host)
    assert refusal.value.status == 404
    for way in ("http://api.twilio.com/2010-04-01/", "Host", "/verify/v2/", "bare path /2010-04-01/"):
        assert way in refusal.value.detail


@pytest.mark.parametrize(
    ("target", "host", "region", "edge", "expected"),
    [
        ("/api/a", b"x", "us1", "", "api.twilio.com"),
        ("/api/a", b"x", "us1", "ashburn", "api.ashburn.us1.twilio.com"),
        ("/api/a", b"x", "ie1", "", "api.dublin.ie1.twilio.com"),
        ("/verify/a", b"x", "au1", "", "verify.sydney.au1.twilio.com"),
        ("/verify/a", b"x", "jp1", "", "verify.tokyo.jp1.twilio.com"),
        ("/verify/a", b"x", "ie1", "frankfurt", "verify.frankfurt.ie1.twilio.com"),
        ("/a", b"api.twilio.com", "ie1", "", "api.dublin.ie1.twilio.com"),
        ("/a", b"api.london.ie1.twilio.com", "ie1", "", "api.dublin.ie1.twilio.com"),
        ("/a", b"api.us1.twilio.com", "us1", "", "api.twilio.com"),
        ("/mcs/a", b"x", "ie1", "", "mcs.us1.twilio.com"),
        ("/a", b"mcs.us1.twilio.com", "ie1", "", "mcs.us1.twilio.com"),
        ("/numbers-upload/a", b"x", "ie1", "", "numbers-upload.twilio.com"),
        ("/a", b"partner.example.com", "ie1", "", "partner.example.com"),
    ],
)
def test_upstream_host(target: str, host: bytes, region: str, edge: str, expected: str) -> None:
    assert upstream_host(_resolve(target, host), region, edge) == expected


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (b"api.dublin.ie1.twilio.com", "us1"),
        (b"api.us1.twilio.com", "ie1"),
        (b"api.sydney.au1.twilio.com", "ie1"),
    ],
)
def test_another_region_is_403_and_names_both(host: bytes, region: str) -> None:
    address = _resolve("/a", host)
    with pytest.raises(Refusal, match="wrong_region") as refusal:
        upstream_host(address, region, "")
    assert address.region in refusal.value.detail
    assert region in refusal.value.detail


def test_every_product_of_the_catalogue_has_a_twilio_host() -> None:
    for product in HOSTS.products - {"partner.example.com"}:
        host = upstream_host(_resolve(f"/{product}/v1/A"), "us1", "")
        assert host.startswith(product + ".")
        assert host.endswith(".twilio.com")
        assert _resolve("/v1/A", host.encode()).product == product


def test_an_unknown_region_without_an_edge_is_the_plain_host() -> None:
    assert regional_suffix("us1", "") == ".twilio.com"
    assert regional_suffix("ie1", "dublin") == ".dublin.ie1.twilio.com"


@pytest.mark.parametrize(
    ("target", "host", "hint"),
    [
        ("/2008-08-01/Accounts/AC1/Messages", b"x", "/2010-04-01"),
        ("/2008-08-01/Accounts", b"gateway.internal", "/2010-04-01"),
        ("/2026-01-01/", b"x", "/2010-04-01"),
        ("/authy/v1", b"x", "use /verify"),
        ("/fax/v1/Faxes", b"x", "Twilio has ended it"),
        ("/v1/Faxes", b"fax.twilio.com", "Twilio has ended it"),
        ("/flex_api/v1/A", b"x", "use /flex-api"),
    ],
)
def test_a12_d9_old_paths_get_a_hint(target: str, host: bytes, hint: str) -> None:
    with pytest.raises(Refusal, match="unknown_address") as refusal:
        _resolve(target, host)
    assert hint in refusal.value.detail


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("api.twilio.com.", "api.twilio.com"),
        ("a.:80", "a:80"),
        ("a..:80", "a.:80"),
        ("[::0001]:80", "[::1]:80"),
        ("[fe80::1]", "[fe80::1]"),
        ("[::g]:80", "[::g]:80"),
    ],
)
def test_a8_canonical_authorities(given: str, canonical: str) -> None:
    assert canonical_authority(given) == canonical
