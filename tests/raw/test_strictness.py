"""What this gateway refuses, byte for byte on a socket, though a parser may admit it.

Each refusal reaches nobody upstream, is one record in the log, echoes nothing, and leaves no byte behind that
could be taken for a request.
"""

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import Running
from tests.support.upstream import RawUpstream

MARK = "cAnArY"
SID = "AC00112233445566778899aabbccddeeff"
MANY_CHUNKS = b"11170\r\n" + b"a" * 70_000 + b"\r\n0\r\n\r\n"
CHUNKED_BODY = b"7\r\nTo=%2B1\r\n0\r\n\r\n"


def with_host(host: bytes) -> bytes:
    """A GET with this Host line (or lines)."""
    return request(f"GET {MESSAGES}").replace(b"Host: gateway.test\r\n", host)


def post(*fields: str, body: bytes = CHUNKED_BODY, version: str = "1.1") -> bytes:
    """A POST of a form."""
    return request(f"POST {MESSAGES}", FORM, *fields, body=body, version=version)


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "TE gzip, chunked": (post("Transfer-Encoding: gzip, chunked"), 400, "malformed_request"),
    "TE gzip": (post("Transfer-Encoding: gzip"), 400, "malformed_request"),
    "TE twice": (post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, ""),
    "TE xchunked": (post("Transfer-Encoding: xchunked"), 400, "malformed_request"),
    "TE chunked;q=1": (post("Transfer-Encoding: chunked;q=1"), 400, "malformed_request"),
    "TE on HTTP/1.0": (post("Transfer-Encoding: chunked", version="1.0"), 400, "malformed_request"),
    "TE and length": (post("Transfer-Encoding: chunked", "Content-Length: 7"), 400, "malformed_request"),
    "length twice": (post("Content-Length: 7", "Content-Length: 7", body=b"To=%2B1"), 400, ""),
    "length with sign": (post("Content-Length: +7", body=b"To=%2B1"), 400, "malformed_request"),
    "no Host": (with_host(b""), 400, "malformed_request"),
    "empty Host": (with_host(b"Host:\r\n"), 400, "bad_host"),
    "two Hosts": (with_host(b"Host: a\r\nHost: a\r\n"), 400, "malformed_request"),
    "Host with userinfo": (with_host(b"Host: a@api.twilio.com\r\n"), 400, "bad_host"),
    "Host with path": (with_host(b"Host: api.twilio.com/x\r\n"), 400, "bad_host"),
    "HTTP/2.0": (request(f"GET {MESSAGES}", version="2.0"), 400, "malformed_request"),
    "HTTP/0.9": (request(f"GET {MESSAGES}", version="0.9"), 400, "malformed_request"),
    "HTTP/1.2": (request(f"GET {MESSAGES}", version="1.2"), 400, "malformed_request"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
    "other absolute-form": (request("GET http://evil.test/2010-04-01/"), 404, "unknown_address"),
    "absolute-form, userinfo": (request("GET http://a@api.twilio.com/x"), 400, "bad_target"),
    "absolute-form, port": (request("GET http://api.twilio.com:8080/2010-04-01/"), 404, "unknown_address"),
    "absolute-form, ftp": (request("GET ftp://api.twilio.com/x"), 400, "bad_target"),
    "//x": (request("GET //x/y"), 400, "bad_target"),
    "///2010-04-01": (request(f"GET //{MESSAGES}"), 400, "bad_target"),
    "inner //": (request(f"GET {MESSAGES.replace('/Accounts/', '/Accounts//')}"), 400, "bad_target"),
    "..": (request(f"GET /2010-04-01/Accounts/{SID}/../x.json"), 400, "bad_target"),
    ".": (request(f"GET /2010-04-01/./Accounts/{SID}.json"), 400, "bad_target"),
    "%2e%2e": (request(f"GET /2010-04-01/Accounts/{SID}/%2e%2e/x.json"), 400, "bad_target"),
    "%2F": (request(f"GET /2010-04-01/Accounts%2F{SID}.json"), 400, "bad_target"),
    "%5C": (request(f"GET /2010-04-01/Accounts/{SID}%5C..json"), 400, "bad_target"),
    "%00": (request(f"GET {MESSAGES}%00"), 400, "bad_target"),
    "%0d%0a in a name of the query": (request(f"GET {MESSAGES}?%0d%0a=1"), 400, "bad_target"),
    "%00 in the query": (request(f"GET {MESSAGES}?a=%00"), 400, "bad_target"),
    "%0d%0a in the path": (request(f"GET {MESSAGES}%0d%0a"), 400, "bad_target"),
    "%41C": (request(f"GET {MESSAGES.replace('AC', '%41C', 1)}"), 400, "bad_target"),
    "fragment": (request(f"GET {MESSAGES}#{MARK}"), 400, "bad_target"),
    ";": (request(f"GET {MESSAGES};{MARK}=1"), 400, "bad_target"),
    "*": (request("OPTIONS *"), 405, "method_not_allowed"),
    "GET *": (request("GET *"), 400, ""),
    "CONNECT": (
        b"CONNECT api.twilio.com:443 HTTP/1.1\r\nHost: api.twilio.com:443\r\n\r\n", 501, "connect_unsupported"
    ),
    "latin-1 value": (request(f"GET {MESSAGES}", f"Idempotency-Key: {MARK}\xe9"), 400, "bad_header"),
    "value from 0x80": (request(f"GET {MESSAGES}", "Gateway-Timeout: \x80\xff"), 400, "bad_header"),
    "path from 0x80": (request(f"GET {MESSAGES}\xe9"), 400, ""),
    "large body on GET": (request(f"GET {MESSAGES}", FORM, body=b"a" * 70_000), 400, "unexpected_body"),
    "large chunks on GET": (
        request(f"GET {MESSAGES}", "Transfer-Encoding: chunked", body=MANY_CHUNKS),
        400,
        "unexpected_body",
    ),
    "large body on HEAD": (request(f"HEAD {MESSAGES}", FORM, body=b"a" * 70_000), 400, "unexpected_body"),
    "two Authorizations": (request(f"GET {MESSAGES}", "Authorization: Basic eDp5"), 400, "bad_header"),
    "two Content-Types": (post(FORM, "Content-Length: 7", body=b"To=%2B1"), 400, ""),
    "bare LF": (request(f"GET {MESSAGES}").replace(b"\r\n", b"\n"), 400, "malformed_request"),
    "folded": (request(f"GET {MESSAGES}", f"X-A: 1\r\n {MARK}: 2"), 400, "malformed_request"),
    "space before colon": (request(f"GET {MESSAGES}", f"X-A : {MARK}"), 400, "malformed_request"),
    "NUL": (request(f"GET {MESSAGES}", f"X-A: {MARK}\x00"), 400, "malformed_request"),
    "CR in a value": (request(f"GET {MESSAGES}", f"X-A: {MARK}\rX-B: 2"), 400, "malformed_request"),
    "TRACE": (request(f"TRACE {MESSAGES}"), 405, "method_not_allowed"),
    "lower-case method": (request(f"get {MESSAGES}"), 400, ""),
    "other expectation": (post("Expect: magic", "Content-Length: 7", body=b"To=%2B1"), 417, "expectation"),
    "length beyond the limit": (post("Content-Length: 99999999", body=b"To="), 413, "body_too_large"),
    "absurd length": (post("Content-Length: 99999999999999999999999", body=b"To="), 400, "malformed_request"),
    "long line": (request(f"GET {MESSAGES}?" + "a" * 9000), 431, "header_too_large"),
    "long field": (request(f"GET {MESSAGES}", "X-A: " + "a" * 9000), 431, "header_too_large"),
    "many fields": (request(f"GET {MESSAGES}", *["X-A: 1"] * 40), 431, "header_too_large"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40, 400, "malformed_request"),
    "bad chunk size": (post("Transfer-Encoding: chunked", body=b"zz\r\nTo=1\r\n0\r\n\r\n"), 400, ""),
    "chunk without CRLF": (post("Transfer-Encoding: chunked", body=b"4\r\nTo=1X0\r\n\r\n"), 400, ""),
    "negative chunk": (post("Transfer-Encoding: chunked", body=b"-1\r\nTo=1\r\n0\r\n\r\n"), 400, ""),
    "LF after chunk size": (post("Transfer-Encoding: chunked", body=b"4\nTo=1\r\n0\r\n\r\n"), 400, ""),
    "LF after last chunk": (post("Transfer-Encoding: chunked", body=b"4\r\nTo=1\r\n0\n\r\n"), 400, ""),
    "LF for the last line": (post("Transfer-Encoding: chunked", body=b"4\r\nTo=1\r\n0\r\n\n"), 400, ""),
}  # fmt: skip

KEEPS = ("bad_target", "unknown_address")
"""Refusals of requests that were read whole and plainly: the connection stays."""


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_and_nothing_left(gateway: Running, upstream: RawUpstream, name: str) -> None:
    """The answer is ours; where the framing or the length is in doubt, what comes behind is not served."""
    given, status, slug = REFUSED[name]
    method = given.partition(b" ")[0].decode("latin-1")
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + request(f"GET {MESSAGES}?second=1"))
        answer = await caller.answer(method)
        assert answer.status == status
        assert slug in ("", answer.slug)
        assert answer.slug
        assert not answer.values("server") + answer.values("date")
        assert MARK.encode() not in answer.head + answer.body
        closes = answer.value("Connection") == "close" or answer.head.startswith(b"HTTP/1.0")
        assert closes or slug in KEEPS
        if closes:
            assert await caller.rest() == b""
        else:
            assert (await caller.answer()).status == 200
    first = (await gateway.exchange_logged(1))[0]
    assert first["gateway_error"] == answer.slug
    assert (await ask(gateway.port, request(f"GET {MESSAGES}?after"))).status == 200
    lines = [received.line for received in upstream.received]
    served = [f"GET {MESSAGES}?second=1 HTTP/1.1"]
    assert lines == ([] if closes else served) + [f"GET {MESSAGES}?after HTTP/1.1"]
    events = {line["event"] for line in gateway.log()} - {"exchange", "serving"}
    assert events == set()


async def test_a_refusal_of_a_whole_request_keeps_the_connection(gateway: Running) -> None:
    """403 and 404 are no reason to close: the next request is read as it stands."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(
            request("GET /nothing") + request("GET /2010-04-01/Accounts.json") + request(f"GET {MESSAGES}")
        )
        assert [(await caller.answer()).status for _ in range(3)] == [404, 403, 200]


async def test_a_slow_head_is_cut_off(clock: MovedClock, gateway: Running) -> None:
    """After `head_seconds`, with a 408."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow:")
        async with passing_time(clock):
            answer = await caller.answer()
        assert (answer.status, answer.slug) == (408, "head_timeout")
        assert await caller.rest() == b""


async def test_an_absurd_number_of_pipelined_requests_is_served_in_order(gateway: Running) -> None:
    """With bounded memory: reading pauses while they wait."""
    count = 300
    async with raw_caller(gateway.port) as caller:
        await caller.send(b"".join(request(f"GET {MESSAGES}", f"X-Request-Id: n{n}") for n in range(count)))
        ids = [(await caller.answer()).value("X-Request-Id") for _ in range(count)]
    assert ids == [f"n{n}" for n in range(count)]


async def test_the_key_of_the_first_request_is_not_the_seconds(gateway: Running) -> None:
    """Each request on a connection stands for itself."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}"))
        assert (await caller.answer()).status == 200
        await caller.send(request(f"GET {MESSAGES}", auth=None))
        assert (await caller.answer()).slug == "missing_key"


async def test_a_trailer_is_no_field_of_the_next_request(gateway: Running, upstream: RawUpstream) -> None:
    """Nothing of a message is left to the one behind it, in one segment or in two."""
    body = b"7\r\nTo=%2B1\r\n0\r\nAccept-Language: de\r\n\r\n"
    given = request(f"POST {MESSAGES}", FORM, "Transfer-Encoding: chunked", body=body)
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + request(f"GET {MESSAGES}"))
        assert [(await caller.answer()).status for _ in range(2)] == [200, 200]
        await caller.send(given)
        assert (await caller.answer()).status == 200
        await caller.send(request(f"GET {MESSAGES}"))
        assert (await caller.answer()).status == 200
    assert [received.values("accept-language") for received in upstream.received] == [[]] * 4
