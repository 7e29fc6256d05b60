"""Requests that are odd and mean one thing only are served (issue rows A1, A2, A6, A12), on real sockets."""

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.metrics import scrape, total
from tests.support.running import Running
from tests.support.upstream import RawUpstream

OFFERS = {
    "h2c": (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "several": ("Connection: keep-alive, upgrade", "Upgrade: TLS/1.0, h2c"),
}
CHUNKED = b"4\r\nTo=1\r\n0\r\n\r\n"


@pytest.mark.parametrize("offer", OFFERS, ids=[f"A1-{each}" for each in OFFERS])
@pytest.mark.parametrize("framing", ["none", "length", "chunks"])
async def test_an_upgrade_is_ignored(
    gateway: Running, upstream: RawUpstream, offer: str, framing: str
) -> None:
    """RFC 9110 7.8: as if absent; body and next request are intact, and nothing of it goes upstream."""
    fields = OFFERS[offer]
    given = {
        "none": request(f"GET {MESSAGES}", *fields),
        "length": request(f"POST {MESSAGES}", FORM, *fields, body=b"To=1"),
        "chunks": request(f"POST {MESSAGES}", FORM, *fields, "Transfer-Encoding: chunked", body=CHUNKED),
    }[framing]
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + request(f"GET {MESSAGES}?next"))
        assert [(await caller.answer()).status for _ in range(2)] == [200, 200]
    first, second = upstream.received
    assert first.body == (b"" if framing == "none" else b"To=1")
    assert second.line == f"GET {MESSAGES}?next HTTP/1.1"
    for name in ("upgrade", "http2-settings", "connection"):
        assert first.values(name) == []


TWICE = ["User-Agent", "Content-Type", "Server", "ETag", "Content-Location", "Content-Range", "Max-Forwards"]
ODD = {
    "underscore": ("SFDC_STACK_DEPTH: 1",),
    "underscore framing": ("Content_Length: 99", "Transfer_Encoding: chunked"),
    "underscore policy": ("X_HTTP_Method_Override: DELETE", "Proxy_Authorization: Basic eDp5"),
    "latin-1 user agent": ("User-Agent: Caf\xe9/1.0",),
    "latin-1 value": ("X-Name: J\xfcrgen",),
    "two request ids": ("X-Request-Id: one", "X-Request-Id: two"),
    "empty expectation": ("Expect:",),
}


@pytest.mark.parametrize("odd", ODD, ids=[f"A2-{each}" for each in ODD])
async def test_odd_fields_are_dropped_and_the_request_is_served(
    gateway: Running, upstream: RawUpstream, odd: str
) -> None:
    """Neither read nor relayed; a request id that came twice is replaced by one of ours."""
    answer = await ask(gateway.port, request(f"POST {MESSAGES}", FORM, *ODD[odd], body=b"To=1"))
    assert answer.status == 200
    assert answer.value("X-Request-Id") not in ("one", "two")
    (received,) = upstream.received
    assert received.line.startswith("POST ")
    for field in ODD[odd]:
        assert received.values(field.partition(":")[0]) == []
    assert received.body == b"To=1"


async def test_a2_drops_are_counted_by_reason(gateway: Running) -> None:
    await ask(gateway.port, request(f"GET {MESSAGES}", "A_B: 1", "C_D: 1", "User-Agent: \xe9"))
    samples = await scrape(gateway.admin_url)
    counted = {
        reason: total(samples, "gateway_request_fields_ignored_total", reason=reason)
        for reason in ("underscore", "non_ascii", "repeated", "empty")
    }
    assert counted == {"underscore": 2, "non_ascii": 1, "repeated": 0, "empty": 0}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("X-A : 1",), "X-A"),
        (("X-A: 1\x01",), "X-A"),
        (("X-A: 1\r\n folded",), "X-A"),
        (("Host: b",), "Host"),
        (("Content-Length: +1",), "Content-Length"),
        *(((f"{name}: a", f"{name}: b"), name) for name in TWICE),
    ],
    ids=[
        *("A2-space before colon", "A2-control", "A2-folded", "A2-two hosts", "A2-signed length"),
        *(f"D8-two of {name}" for name in TWICE),
    ],
)
async def test_what_the_parser_refuses_is_400_with_the_fields_name(
    gateway: Running, fields: tuple[str, ...], name: str
) -> None:
    answer = await ask(gateway.port, request(f"GET {MESSAGES}", *fields))
    assert (answer.status, answer.slug) == (400, "malformed_request")
    assert f"look at the field {name}.".encode() in answer.body


@pytest.mark.parametrize(
    ("query", "hint"),
    [("?To=\xe9", "percent-encode what is not ASCII"), ("?Body=a b", "percent-encode the spaces")],
    ids=["D8-no ASCII", "D8-space"],
)
async def test_a_target_that_is_not_encoded_is_400_with_what_to_do(
    gateway: Running, query: str, hint: str
) -> None:
    answer = await ask(gateway.port, request(f"GET {MESSAGES}{query}"))
    assert (answer.status, answer.slug) == (400, "malformed_request")
    assert hint.encode() in answer.body


@pytest.mark.parametrize("line", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "body", [b"0\r\n\r\n", CHUNKED, b"0\r\nX-T: 1\r\n\r\n"], ids=["A6-empty", "A12-chunks", "A6-trailer"]
)
async def test_chunks_of_a_method_without_a_body_are_dropped(
    gateway: Running, upstream: RawUpstream, line: str, body: bytes
) -> None:
    given = request(f"{line} {MESSAGES}", "Transfer-Encoding: chunked", body=body)
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + request(f"DELETE {MESSAGES}"))
        assert (await caller.answer(line)).status in (200, 502)  # the script answers HEAD with a body
        assert (await caller.answer()).status == 200
    for received in upstream.received:
        assert received.values("transfer-encoding") == received.values("content-length") == []
        assert received.body == b""


@pytest.mark.parametrize("size", [1, 65_536], ids=["A12-one byte", "A12-64 KiB"])
async def test_a_body_of_get_is_dropped(gateway: Running, upstream: RawUpstream, size: int) -> None:
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", "Content-Type: text/plain", body=b"x" * size))
        assert (await caller.answer()).status == 200
        await caller.send(request(f"GET {MESSAGES}", FORM, "Expect: 100-continue", "Content-Length: 4"))
        assert (await caller.answer()).status == 100
        await caller.send(b"To=1")
        assert (await caller.answer()).status == 200
    assert [received.body for received in upstream.received] == [b"", b""]
    assert upstream.received[0].values("content-type") == []


async def test_a12_a_larger_body_of_get_is_refused(gateway: Running, upstream: RawUpstream) -> None:
    answer = await ask(gateway.port, request(f"GET {MESSAGES}", body=b"x" * 65_537))
    assert (answer.status, answer.slug) == (400, "unexpected_body")
    assert upstream.received == []


@pytest.mark.parametrize("line", ["get", "Post", "pATCH", "delete"], ids=lambda line: f"A12-{line}")
async def test_lower_case_methods_are_refused_with_the_reason(gateway: Running, line: str) -> None:
    answer = await ask(gateway.port, request(f"{line} {MESSAGES}"))
    assert (answer.status, answer.slug) == (400, "malformed_request")
    assert b"methods are upper-case" in answer.body
