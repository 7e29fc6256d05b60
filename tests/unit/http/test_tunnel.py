"""The head of CONNECT, and requests inside a tunnel."""

import pytest

from gateway.errors import Refusal
from gateway.http.request_head import require_head
from gateway.http.tunnel import Tunnel, enter_tunnel, require_connect

HOST = (b"Host", b"a")
V1 = (1, 1)


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("api.twilio.com:443", "api.twilio.com", 443),
        ("API.Twilio.Com.:443", "api.twilio.com", 443),
        ("a_b:1", "a_b", 1),
        ("[::1]:443", "[::1]", 443),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
    ],
)
def test_targets(target: str, host: str, port: int) -> None:
    for version in (V1, (1, 0)):
        assert require_connect(target, version, ())[:2] == (host, port)


@pytest.mark.parametrize(
    "target",
    [
        "api.twilio.com",
        "api.twilio.com:",
        ":443",
        "/",
        "*",
        "http://api.twilio.com:443",
        "u@a:443",
        "a:b",
        "a:123456",
    ],
)
def test_what_is_no_authority(target: str) -> None:
    with pytest.raises(Refusal) as refused:
        require_connect(target, V1, (HOST,))
    assert (refused.value.slug, refused.value.closes) == ("bad_target", True)


@pytest.mark.parametrize(
    ("field", "slug"),
    [
        ((b"Content-Length", b"1"), "unexpected_body"),
        ((b"Content-Length", b"x"), "unexpected_body"),
        ((b"Transfer-Encoding", b"chunked"), "unexpected_body"),
    ],
)
def test_a_body(field: tuple[bytes, bytes], slug: str) -> None:
    with pytest.raises(Refusal) as refused:
        require_connect("a:443", V1, (HOST, field))
    assert (refused.value.slug, refused.value.closes) == (slug, True)


def test_other_versions() -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        require_connect("a:443", (2, 0), (HOST,))


def test_the_key_is_taken_and_not_shown() -> None:
    head = require_connect("a:443", V1, (HOST, (b"proxy-Authorization", b"Basic abc")))
    assert head.proxy_authorization == b"Basic abc"
    assert "abc" not in repr(head) + repr(Tunnel("a", b"Basic abc"))
    assert require_connect("a:443", V1, (HOST, (b"Content-Length", b"0"))).proxy_authorization is None


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/x", b"a.b"),
        ("/x", b"A.B"),
        ("/x", b"a.b."),
        ("/x", b"a.b:443"),
        ("https://a.b/x", b"c"),
        ("http://a.b:443/x", b"a.b"),
    ],
)
def test_one_name(target: str, host: bytes) -> None:
    inbound = require_head("GET", target, V1, ((b"Host", host),))
    if host == b"c":  # absolute-form makes Host void (RFC 9112 3.2.2), but two names are two
        with pytest.raises(Refusal, match="misdirected_request"):
            enter_tunnel(Tunnel("a.b"), inbound)
        return
    found = enter_tunnel(Tunnel("a.b", server_name="A.b."), inbound)
    assert (found.host, found.authority, found.path) == ("a.b", "", "/x")


@pytest.mark.parametrize("host", [b"b.a", b"a.b:80", b"a.b.c", b"xa.b"])
def test_another_host(host: bytes) -> None:
    with pytest.raises(Refusal, match="misdirected_request"):
        enter_tunnel(Tunnel("a.b"), require_head("GET", "/x", V1, ((b"Host", host),)))


def test_another_server_name() -> None:
    inbound = require_head("GET", "/x", V1, ((b"Host", b"a.b"),))
    with pytest.raises(Refusal, match="misdirected_request"):
        enter_tunnel(Tunnel("a.b", server_name="c.d"), inbound)
