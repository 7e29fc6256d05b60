"""What programs send to a proxy, as measured (docs/facts.md), and what is no such request."""

import pytest

from gateway.client_relay.proxy_request import BadProxyRequest, parse_proxy_request


@pytest.mark.parametrize(
    ("head", "host", "port"),
    [
        (b"CONNECT api.twilio.com:443 HTTP/1.0\r\n\r\n", "api.twilio.com", 443),
        (b"CONNECT API.Twilio.com.:443 HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n", "api.twilio.com", 443),
        (b"CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "::1", 8443),
        (b"CONNECT 10.0.0.1:22 HTTP/1.1\r\n\r\n", "10.0.0.1", 22),
    ],
    ids=["Python", "Node", "IPv6", "any port"],
)
def test_connect(head: bytes, host: str, port: int) -> None:
    request = parse_proxy_request(head)
    assert (request.is_connect, request.host, request.port) == (True, host, port)


@pytest.mark.parametrize(
    ("target", "scheme", "host", "port", "path"),
    [
        (b"http://api.twilio.com/2010-04-01/x?a=1", "http", "api.twilio.com", 80, b"/2010-04-01/x?a=1"),
        (b"HTTPS://api.twilio.com/x", "https", "api.twilio.com", 443, b"/x"),
        (b"http://example.com:8080", "http", "example.com", 8080, b"/"),
        (b"http://example.com?a=1", "http", "example.com", 80, b"/?a=1"),
        (b"http://[::1]:8080/x", "http", "::1", 8080, b"/x"),
    ],
)
def test_absolute_urls(target: bytes, scheme: str, host: str, port: int, path: bytes) -> None:
    request = parse_proxy_request(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert request[1:6] == (scheme, host, port, target, path)
    assert not request.is_connect


def test_only_what_is_between_program_and_proxy_is_replaced() -> None:
    """A proxy's key of the program's own is not sent on; the rest is, byte for byte and in its order."""
    request = parse_proxy_request(
        b"POST http://api.twilio.com/x HTTP/1.1\r\nHost: api.twilio.com\r\n"
        b"proxy-authorization: Basic Zm9v\r\nX-Odd:  two  words \r\nProxy-Connection: keep-alive\r\n"
        b"Connection: keep-alive\r\n"
        b"Content-Length: 3\r\n\r\n"
    )
    assert request.head(request.target, "Basic YmFy") == (
        b"POST http://api.twilio.com/x HTTP/1.1\r\nHost: api.twilio.com\r\nX-Odd:  two  words \r\n"
        b"Content-Length: 3\r\nProxy-Authorization: Basic YmFy\r\nConnection: close\r\n\r\n"
    )
    assert b"Authorization" not in request.head(request.path)
    assert request.head(request.path).startswith(b"POST /x HTTP/1.1\r\n")
    assert "twilio.com/x" not in repr(request)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET api.twilio.com HTTP/1.1\r\n\r\n",
        b"GET ftp://example.com/ HTTP/1.1\r\n\r\n",
        b"GET http://a@api.twilio.com/ HTTP/1.1\r\n\r\n",
        b"GET http://api.twilio.com:99999/ HTTP/1.1\r\n\r\n",
        b"CONNECT api.twilio.com HTTP/1.1\r\n\r\n",
        b"CONNECT api.twilio.com:0 HTTP/1.1\r\n\r\n",
        b"CONNECT /x:1 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\r\n\r\n",
        b"GET http://x/ HTTP/2\r\n\r\n",
    ],
)
def test_anything_else_is_refused(head: bytes) -> None:
    with pytest.raises(BadProxyRequest):
        parse_proxy_request(head)
