"""The request head: what is let in, and what each refusal says about the connection."""

import pytest

from gateway.errors import Refusal
from gateway.http.request_head import METHODS, require_head

_HOST = (b"Host", b"gateway.internal:8080")
_TARGET = "/2010-04-01/Accounts.json?PageSize=1"
Fields = tuple[tuple[bytes, bytes], ...]


def test_an_ordinary_head_is_kept_as_it_came() -> None:
    raw = (
        _HOST,
        (b"X-TwiLio", b"a"),
        (b"x-twilio", b"b"),
        (b"Connection", b"close, X-One"),
        (b"connection", b" x-two"),
        (b"Content-Type", b"text/plain"),
        (b"Content-Length", b"12"),
    )
    inbound = require_head("POST", _TARGET, (1, 1), raw)
    assert tuple((name, value) for _, name, value in inbound.fields) == raw
    assert [lower for lower, _, _ in inbound.fields] == [name.lower() for name, _ in raw]
    assert inbound.connection == {b"close", b"x-one", b"x-two"}
    assert (inbound.method, inbound.version, inbound.path) == ("POST", (1, 1), "/2010-04-01/Accounts.json")
    assert (inbound.query, inbound.host) == ("PageSize=1", "gateway.internal:8080")
    assert (inbound.content_length, inbound.chunked, inbound.has_body) == (12, False, True)
    assert inbound.single(b"content-type") == "text/plain"
    assert inbound.single(b"expect") == ""


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_six_methods_pass(method: str) -> None:
    assert require_head(method, _TARGET, (1, 1), (_HOST,)).method == method


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "get", "Post", "PROPFIND", "", "GET "])
def test_other_methods_are_405(method: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_head(method, _TARGET, (1, 1), (_HOST,))
    assert (refusal.value.slug, refusal.value.closes) == ("method_not_allowed", True)
    assert refusal.value.headers == (("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE"),)


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0), (1, 10)])
def test_other_versions_are_refused(version: tuple[int, int]) -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        require_head("GET", _TARGET, version, (_HOST,))


_REFUSED: list[tuple[str, str, Fields, str]] = [
    ("connect", "CONNECT", (_HOST,), "method_not_allowed"),
    ("no host", "GET", (), "bad_host"),
    ("empty host", "GET", ((b"Host", b""),), "bad_host"),
    ("host with a path", "GET", ((b"Host", b"a/b"),), "bad_host"),
    ("host with a user", "GET", ((b"Host", b"a@b"),), "bad_host"),
    ("host list", "GET", ((b"Host", b"a, b"),), "bad_host"),
    ("host with a bad port", "GET", ((b"Host", b"a:b"),), "bad_host"),
    ("host with no port", "GET", ((b"Host", b"a:"),), "bad_host"),
    ("two hosts", "GET", (_HOST, (b"host", b"b")), "bad_header"),
    ("two authorizations", "GET", (_HOST, (b"Authorization", b"a"), (b"authorization", b"a")), "bad_header"),
    ("two types", "POST", (_HOST, (b"Content-Type", b"a/b"), (b"Content-Type", b"a/b")), "bad_header"),
    ("two lengths", "POST", (_HOST, (b"Content-Length", b"1"), (b"Content-Length", b"1")), "bad_header"),
    ("two codings", "POST", (_HOST, *((b"Transfer-Encoding", b"chunked"),) * 2), "bad_header"),
    ("two overrides", "POST", (_HOST, *((b"X-HTTP-Method-Override", b"PUT"),) * 2), "bad_header"),
    ("latin-1 type", "POST", (_HOST, (b"Content-Type", b"text/\xfc")), "bad_header"),
    ("utf-8 key", "GET", (_HOST, (b"Authorization", "…".encode())), "bad_header"),
    ("latin-1 options", "GET", (_HOST, (b"Connection", b"\xfc")), "bad_header"),
    ("8-bit name", "GET", (_HOST, (b"X-N\xe9", b"a")), "bad_header"),
    ("line break below an underscore", "GET", (_HOST, (b"X_A", b"a\r\nAuthorization: b")), "bad_header"),
    ("line break in a value", "GET", (_HOST, (b"X-A", b"a\r\nAuthorization: b")), "bad_header"),
    ("nul in a value", "GET", (_HOST, (b"X-A", b"a\x00")), "bad_header"),
    ("delete in a value", "GET", (_HOST, (b"X-A", b"a\x7f")), "bad_header"),
    ("colon in a name", "GET", (_HOST, (b"X-A: b", b"a")), "bad_header"),
    ("space in a name", "GET", (_HOST, (b"X A", b"a")), "bad_header"),
    ("gzip, chunked", "POST", (_HOST, (b"Transfer-Encoding", b"gzip, chunked")), "malformed_request"),
    ("identity", "POST", (_HOST, (b"Transfer-Encoding", b"identity")), "malformed_request"),
    ("chunked with a tail", "POST", (_HOST, (b"Transfer-Encoding", b"chunked;q=1")), "malformed_request"),
    (
        "length and chunked", "POST",
        (_HOST, (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1")), "malformed_request",
    ),
    ("signed length", "POST", (_HOST, (b"Content-Length", b"+1")), "malformed_request"),
    ("length list", "POST", (_HOST, (b"Content-Length", b"1, 1")), "malformed_request"),
    ("empty length", "POST", (_HOST, (b"Content-Length", b"")), "malformed_request"),
    ("hex length", "POST", (_HOST, (b"Content-Length", b"0x1")), "malformed_request"),
    ("underscored length", "POST", (_HOST, (b"Content-Length", b"1_0")), "malformed_request"),
    ("length of 19 digits", "POST", (_HOST, (b"Content-Length", b"1" * 19)), "malformed_request"),
    ("large body on GET", "GET", (_HOST, (b"Content-Length", b"65537")), "unexpected_body"),
    ("large body on HEAD", "HEAD", (_HOST, (b"Content-Length", b"65537")), "unexpected_body"),
    ("expectation", "POST", (_HOST, (b"Expect", b"200-ok")), "expectation"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "fields", "slug"), [row[1:] for row in _REFUSED], ids=[row[0] for row in _REFUSED]
)
def test_refused_heads_close_the_connection(method: str, fields: Fields, slug: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_head(method, _TARGET, (1, 1), fields)
    assert refusal.value.slug == slug
    assert refusal.value.closes


@pytest.mark.parametrize(
    ("method", "version", "fields", "length", "has_body"),
    [
        ("GET", (1, 1), (_HOST, (b"Content-Length", b"0")), 0, False),
        ("GET", (1, 0), (), None, False),
        ("POST", (1, 0), ((b"Content-Length", b"3"),), 3, True),
        ("POST", (1, 1), (_HOST,), None, False),
        ("POST", (1, 1), (_HOST, (b"Transfer-Encoding", b"Chunked")), None, True),
        ("DELETE", (1, 1), (_HOST, (b"Content-Length", b"0")), 0, False),
        ("DELETE", (1, 1), (_HOST, (b"Content-Length", b"3")), 3, True),
        ("POST", (1, 1), (_HOST, (b"Expect", b"100-Continue"), (b"Content-Length", b"3")), 3, True),
        ("GET", (1, 1), (_HOST, (b"Upgrade", b"h2c")), None, False),
        ("GET", (1, 1), (_HOST, (b"X-Empty", b""), (b"X-Tab", b"a\tb")), None, False),
    ],
)
def test_framing(
    method: str, version: tuple[int, int], fields: Fields, length: int | None, has_body: bool
) -> None:
    inbound = require_head(method, _TARGET, version, fields)
    assert (inbound.content_length, inbound.has_body) == (length, has_body)


def test_chunked_needs_http_1_1() -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        require_head("POST", _TARGET, (1, 0), (_HOST, (b"Transfer-Encoding", b"chunked")))


def test_repr_shows_no_field_path_or_query() -> None:
    inbound = require_head(
        "GET", "/Messages.json?To=%2B1500", (1, 1), (_HOST, (b"Authorization", b"Bearer canary"))
    )
    assert repr(inbound) == "Inbound(GET)"


_ODD: list[tuple[str, Fields, str]] = [
    ("name with _", ((b"SFDC_STACK_DEPTH", b"1"),), "underscore"),
    ("a framing field's name", ((b"Content_Length", b"5"),), "underscore"),
    ("a framing field's other name", ((b"Transfer_Encoding", b"chunked"),), "underscore"),
    ("an identity field's name", ((b"Proxy_Authorization", b"Basic eDp5"),), "underscore"),
    ("a policy field's name", ((b"X_HTTP_Method_Override", b"DELETE"),), "underscore"),
    ("latin-1 user agent", ((b"User-Agent", b"Caf\xe9/1"),), "non_ascii"),
    ("utf-8 value", ((b"X-Name", "…".encode()),), "non_ascii"),
    ("latin-1 request id", ((b"X-Request-Id", b"\xfc"),), "non_ascii"),
    ("_ and latin-1", ((b"X_Name", b"\xfc"),), "underscore"),
    ("two request ids", ((b"X-Request-Id", b"a"), (b"x-request-id", b"b")), "repeated"),
    ("empty expectation", ((b"Expect", b""),), "empty"),
    ("list of no expectations", ((b"Expect", b" , "),), "empty"),
]


@pytest.mark.parametrize(("odd", "reason"), [row[1:] for row in _ODD], ids=[f"A2-{row[0]}" for row in _ODD])
def test_odd_fields_that_nothing_depends_on_are_dropped(odd: Fields, reason: str) -> None:
    inbound = require_head("POST", _TARGET, (1, 1), (_HOST, (b"Content-Length", b"0"), *odd))
    assert {(each.name, str(each.reason)) for each in inbound.dropped} == {(odd[0][0].lower(), reason)}
    assert set(inbound.single_fields) == {b"host", b"content-length"}
    assert (inbound.content_length, inbound.chunked) == (0, False)


@pytest.mark.parametrize(
    "values",
    [(b"100-continue", b"100-continue"), (b"100-Continue, 100-continue,",), (b"", b"100-continue")],
    ids=["A2-twice", "A2-list", "A2-empty and one"],
)
def test_equal_expectations_are_one(values: tuple[bytes, ...]) -> None:
    """RFC 9110 10.1.1: Expect is a list."""
    fields = tuple((b"Expect", value) for value in values)
    assert require_head("POST", _TARGET, (1, 1), (_HOST, *fields)).single(b"expect") == "100-continue"
    for others in ((b"Expect", b"200-ok"), (b"Expect", b"100-continue, 200-ok")):
        for mixed in ((*fields, others), (others, *fields)):
            with pytest.raises(Refusal, match="expectation"):
                require_head("POST", _TARGET, (1, 1), (_HOST, *mixed))


@pytest.mark.parametrize(
    "odd",
    [((b"Content-Type", b"text/\xff"),), ((b"Content-Encoding", b"a"), (b"Content-Encoding", b"b"))],
    ids=["A2-no text", "A2-twice"],
)
def test_what_describes_a_body_decides_nothing_without_one(odd: Fields) -> None:
    for method in ("GET", "HEAD"):
        inbound = require_head(method, _TARGET, (1, 1), (_HOST, *odd))
        assert [each.name for each in inbound.dropped] == [odd[0][0].lower()]
        assert set(inbound.single_fields) == {b"host"}
    with pytest.raises(Refusal, match="bad_header"):
        require_head("POST", _TARGET, (1, 1), (_HOST, *odd))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("framing", [(b"Content-Length", b"65536"), (b"Transfer-Encoding", b"chunked")])
def test_a12_a_body_without_meaning_is_to_be_dropped(method: str, framing: tuple[bytes, bytes]) -> None:
    inbound = require_head(method, _TARGET, (1, 1), (_HOST, framing))
    assert (inbound.has_body, inbound.drops_body) == (False, True)


@pytest.mark.parametrize("offer", [b"h2c", b"websocket", b"TLS/1.0, HTTP/1.1", b"h2c, x"])
def test_a1_an_upgrade_is_as_if_absent(offer: bytes) -> None:
    offered = (
        (b"Connection", b"Upgrade, HTTP2-Settings"),
        (b"Upgrade", offer),
        (b"HTTP2-Settings", b"AAMAAABk"),
    )
    inbound = require_head("GET", _TARGET, (1, 1), (_HOST, *offered))
    assert inbound.dropped == ()
