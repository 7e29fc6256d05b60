"""Where tunnels may lead: a bounded set of names, and port 443."""

import pytest

from gateway.errors import Refusal
from gateway.http.tunnel import ConnectHead
from gateway.policy.addressing import make_host_table
from gateway.policy.tunnel_destinations import is_certified_name, require_destination
from gateway.twilio.catalogue.hosts import UPLOAD_HOSTS

HOSTS = make_host_table(
    ["api", "verify", *UPLOAD_HOSTS],
    {host: product for product, host in UPLOAD_HOSTS.items()},
    ["files.example.org", "10.0.0.9"],
    ["gateway.internal:8080"],
    ["us2", "tokyo"],
)
SERVED = [
    "api.twilio.com",
    "verify.twilio.com",
    "api.us1.twilio.com",
    "api.ashburn.us1.twilio.com",
    "verify.dublin.ie1.twilio.com",
    "api.tokyo.us2.twilio.com",
    "mcs.us1.twilio.com",
    "files.example.org",
]
NOT_SERVED = [
    "example.com",
    "twilio.com",
    "www.twilio.com",
    "api.twilio.com.example.com",
    "xapi.twilio.com",
    "api.x1.twilio.com",
    "api.a.b.twilio.com",
    "api.a.dublin.ie1.twilio.com",
    "mcs.twilio.com",
    "a.files.example.org",
    "10.0.0.9",
    "127.0.0.1",
    "[::1]",
    "localhost",
    "gateway.internal",
    "",
]


@pytest.mark.parametrize("name", SERVED)
def test_served(name: str) -> None:
    assert require_destination(HOSTS, ConnectHead(name, 443, None)) == name
    assert is_certified_name(HOSTS, name)


@pytest.mark.parametrize("name", NOT_SERVED)
def test_not_served(name: str) -> None:
    assert not is_certified_name(HOSTS, name)
    with pytest.raises(Refusal) as refused:
        require_destination(HOSTS, ConnectHead(name, 443, None))
    assert (refused.value.slug, refused.value.closes) == ("tunnel_refused", True)


@pytest.mark.parametrize("port", [0, 80, 442, 4430, 65535, 99999])
def test_other_ports(port: int) -> None:
    with pytest.raises(Refusal, match="tunnel_refused"):
        require_destination(HOSTS, ConnectHead("api.twilio.com", port, None))
