"""Header fields over real sockets, both ways: what crosses, what does not, and in which order."""

from base64 import b64encode

import pytest

from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import ENVIRON, Running
from tests.support.upstream import RawUpstream, raw, reply


async def test_request_fields_keep_order_case_and_repeats(gateway: Running, upstream: RawUpstream) -> None:
    """Only Host, Authorization, Via and framing are ours."""
    sent = (
        "uSer-AgEnt: old/1",
        "X-Twilio-Client: 2",
        "Accept: */*",
        "x-twilio-client: 1",
        "If-Match:",
        "X-Twilio-Client: a, b",
    )
    await ask(gateway.port, request(f"GET {MESSAGES}?To=%2B1&DateSent<=2026", *sent))
    received = await upstream.arrived()
    assert received.line == f"GET {MESSAGES}?To=%2B1&DateSent<=2026 HTTP/1.1"
    own = [f"{name}: {value}".rstrip() for name, value in received.fields]
    assert own[0] == "Host: api.twilio.com"
    assert own[1:-2] == list(sent)
    assert own[-2].startswith("Via: 1.1 twilio-gateway-")
    assert own[-1].startswith("Authorization: Basic ")
    assert AUTHORIZATION not in own[-1]


@pytest.mark.parametrize(
    "field",
    [
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X-Sum",
        "Proxy-Connection: keep-alive",
        "Upgrade: h2c",
        "Cookie: session=1",
        "Forwarded: for=10.0.0.1",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Anything: 1",
        "X-Real-IP: 10.0.0.1",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    ],
)
async def test_fields_of_our_side_stay_here(gateway: Running, upstream: RawUpstream, field: str) -> None:
    """Hop-by-hop fields, and what tells of our network."""
    assert (await ask(gateway.port, request(f"GET {MESSAGES}", field))).status == 200
    assert upstream.received[0].values(field.partition(":")[0]) == []


async def test_fields_named_by_connection_go_no_further(gateway: Running, upstream: RawUpstream) -> None:
    """Whatever the case, in several fields; and it can take away nothing of ours."""
    given = request(
        f"POST {MESSAGES}", "Connection: X-One , x-TWO,authorization",
        "Connection: via, host, content-length", "X-ONE: 1", "X-Two: 2", "Flex-Metadata: 3", FORM,
        body=b"To=%2B1",
    )  # fmt: skip
    assert (await ask(gateway.port, given)).status == 200
    received = upstream.received[0]
    assert received.values("x-one") == received.values("x-two") == received.values("connection") == []
    assert received.values("flex-metadata") == ["3"]
    assert received.values("host") == ["api.twilio.com"]
    assert len(received.values("authorization")) == 1
    assert received.values("content-length") == ["7"]
    assert received.body == b"To=%2B1"


async def test_two_keys_in_one_request_never_leave(gateway: Running, upstream: RawUpstream) -> None:
    """The consumer's key goes nowhere, in whichever other field it stands."""
    key = AUTHORIZATION.removeprefix("Basic ")
    fields = (f"X-Debug: {key}", f"X-Copy: Basic {key}", "Flex-Metadata: 1")
    await ask(gateway.port, request(f"GET {MESSAGES}", *fields))
    assert key.encode() not in upstream.received[0].head
    assert upstream.received[0].values("flex-metadata") == ["1"]


async def test_answer_fields_keep_order_case_and_repeats(gateway: Running, upstream: RawUpstream) -> None:
    """Nothing of aiohttp's own is added: no Server, Date or Content-Type that Twilio did not send."""
    fields = ("set-cookie: a=1", "Twilio-Request-Id: RQ1", "Set-Cookie: b=2", "eTaG: W/x", "X-Empty:")
    upstream.then(reply(b"{}", fields=fields))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    lines = answer.head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert [line.rstrip() for line in lines[1:7]] == [*fields, "Content-Length: 2"]
    own = [name for name, _ in answer.fields[6:]]
    assert own == ["X-Request-Id", "Gateway-Attempts", "Via"]
    assert not answer.values("server") + answer.values("date") + answer.values("content-type")


async def test_reason_phrase_and_server_are_the_upstreams(gateway: Running, upstream: RawUpstream) -> None:
    """The status line and Server come through."""
    upstream.then(
        raw(b"HTTP/1.1 299 Rather Fine\r\nServer: TwilioX\r\nDate: then\r\nContent-Length: 0\r\n\r\n")
    )
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert answer.head.startswith(b"HTTP/1.1 299 Rather Fine\r\n")
    assert answer.value("Server") == "TwilioX"
    assert answer.value("Date") == "then"


async def test_hop_by_hop_fields_of_an_answer_stay_upstream(gateway: Running, upstream: RawUpstream) -> None:
    """Also those that its `Connection` names, and what only we may say."""
    hops = (
        "Connection: x-internal, keep-alive", "X-Internal: 1", "Keep-Alive: timeout=1", "Upgrade: h2c",
        "Proxy-Authenticate: Basic", "Trailer: X-Sum", "Gateway-Error: forged", "Gateway-Outcome: unknown",
        "X-Request-Id: theirs", "X-Kept: 1",
    )  # fmt: skip
    upstream.then(reply(b"{}", fields=hops))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: mine"))
    for name in ("x-internal", "keep-alive", "upgrade", "proxy-authenticate", "trailer", "gateway-error"):
        assert answer.values(name) == []
    assert answer.values("gateway-outcome") == answer.values("connection") == []
    assert answer.values("x-request-id") == ["mine"]
    assert answer.values("x-kept") == ["1"]


async def test_upstream_bytes_above_ascii_cross_or_vanish_whole(
    gateway: Running, upstream: RawUpstream
) -> None:
    """A field value from 0x80 up is passed on as it is, and breaks nothing else."""
    head = b"HTTP/1.1 200 OK\r\nX-Name: Zo\xc3\xab\r\nX-Odd: \xff\x80\r\nContent-Length: 2\r\n\r\n{}"
    upstream.then(raw(head))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert answer.body == b"{}"
    assert answer.values("x-name") == ["Zo\xc3\xab"]
    assert answer.values("x-odd") == ["\xff\x80"]


async def test_an_answers_folded_or_injected_lines_are_refused(
    gateway: Running, upstream: RawUpstream
) -> None:
    """What one reader takes for one field and another for two reaches nobody."""
    for _ in range(4):  # a GET is tried again
        upstream.then(
            raw(b"HTTP/1.1 200 OK\r\nX-A: 1\n\rX-B: 2\r\nContent-Length: 2\r\n\r\n{}", ends="close")
        )
    assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).slug == "upstream_unreadable"


async def test_the_credential_is_ours_and_exact(gateway: Running, upstream: RawUpstream) -> None:
    """HTTP Basic with the API key of the configuration."""
    await ask(gateway.port, request(f"GET {MESSAGES}"))
    pair = f"{ENVIRON['TWILIO_API_KEY']}:{ENVIRON['TWILIO_API_SECRET']}"
    assert upstream.received[0].values("authorization") == ["Basic " + b64encode(pair.encode()).decode()]


async def test_a_request_id_is_taken_over_or_made(gateway: Running) -> None:
    """Ours is in the answer and in the log; an unfit one is replaced."""
    given = await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: order-77"))
    made = await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: a b"))
    assert given.value("X-Request-Id") == "order-77"
    assert len(made.value("X-Request-Id")) == 32
    logged = await gateway.exchange_logged(2)
    assert [line["request_id"] for line in logged] == ["order-77", made.value("X-Request-Id")]


async def test_many_requests_on_one_connection(gateway: Running, upstream: RawUpstream) -> None:
    """Kept alive on both sides, pipelined ones answered in order."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(b"".join(request(f"GET {MESSAGES}?Page={n}") for n in range(20)))
        for _ in range(20):
            assert (await caller.answer()).status == 200
    assert [received.line for received in upstream.received] == [
        f"GET {MESSAGES}?Page={n} HTTP/1.1" for n in range(20)
    ]
    assert upstream.connections == 1
