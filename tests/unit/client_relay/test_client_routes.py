"""Which way each client takes, as measured (docs/facts.md, "Clients")."""

import pytest

from gateway.client_relay.client_routes import CLIENTS, find_route

HOST = "api.twilio.com"
PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "through"),
    [
        ({"HTTPS_PROXY": PROXY}, {"python", "go", "php", "ruby", "csharp", "curl"}),
        ({"HTTP_PROXY": PROXY}, {"node"}),
        ({"JAVA_TOOL_OPTIONS": "-Dhttps.proxyHost=proxy -Dhttps.proxyPort=3128"}, {"java"}),
        ({"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": ".twilio.com"}, {"node"}),
        ({}, set()),
    ],
    ids=["HTTPS_PROXY", "HTTP_PROXY", "Java's options", "NO_PROXY", "nothing"],
)
def test_which_clients_go_through_a_proxy(environ: dict[str, str], through: set[str]) -> None:
    routes = [find_route(client, environ, HOST) for client in CLIENTS]
    assert {route.client for route in routes if route.proxy is not None} == through
    assert all(route.proxy is None or route.proxy[:2] == ("proxy", 3128) for route in routes)


@pytest.mark.parametrize(
    ("client", "variable"),
    [
        ("python", "REQUESTS_CA_BUNDLE"),
        ("python-async", "SSL_CERT_FILE"),
        ("node", "NODE_EXTRA_CA_CERTS"),
        ("go", "SSL_CERT_FILE"),
        ("curl", "CURL_CA_BUNDLE"),
        ("php", "PHP_INI_SCAN_DIR"),
    ],
)
def test_where_trust_is_named(client: str, variable: str) -> None:
    route = find_route(client, {variable: "/x"}, HOST)
    assert (route.variable, route.trusted) == (variable, "/x")


def test_a_trust_store_of_java() -> None:
    options = "-Djavax.net.ssl.trustStore=/x.p12"
    assert find_route("java", {"JAVA_TOOL_OPTIONS": options}, HOST).trusted == "/x.p12"
