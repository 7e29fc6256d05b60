"""A connection that remembers its heads, or its caller's last one's, decides as one that has seen none
(docs/adr/0020)."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.consumers.consumer import Mode
from gateway.decisions import Decisions
from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.http.buffered_bytes import BufferedBytes
from gateway.identity.authentication import Identities, KeyEntry, UnverifiedCaller, digest_of
from gateway.identity.client_certificates import PeerCertificate
from gateway.identity.jwks_cache import JwksCache
from gateway.identity.jwt_verifier import TokenVerifier
from gateway.identity.request_id import take_request_id
from gateway.listener.caller_connection import CallerConnection
from gateway.listener.connection_scope import ConnectionScope
from gateway.listener.connections import ConnectionLimits
from gateway.listener.request import Request
from gateway.listener.request_body import read_body
from gateway.listener.request_parser import HeadLimits
from gateway.policy.bodies import NO_BODY
from gateway.policy.snapshot import Snapshots
from gateway.policy.steps import check_body, check_stream, prepare
from gateway.twilio.request_fields import make_request_fields
from tests.support.judging import (
    AUTHORIZATION,
    FOREIGN,
    KEY,
    MESSAGES,
    OWN,
    SUB,
    TOKEN,
    consumer,
    snapshot,
)  # fmt: skip

OTHER_KEY = b"gw_key-of-the-other-consumer"
OLD_KEY = b"gw_key-that-expires-at-100"
APP = consumer()
OTHER = replace(consumer("messages:send", mode=Mode.REPORT), name="other", usernames=frozenset({"other"}))
_PLAIN = snapshot(APP, OTHER)
SNAPSHOT = replace(
    _PLAIN,
    identities=Identities(
        {
            digest_of(KEY): KeyEntry(APP, None),
            digest_of(OLD_KEY): KeyEntry(APP, 100.0),
            digest_of(OTHER_KEY): KeyEntry(OTHER, None),
        },
        {"dns:app.internal": APP},
    ),
)
SNAPSHOTS = (
    SNAPSHOT,
    replace(SNAPSHOT, identities=Identities({digest_of(OTHER_KEY): KeyEntry(OTHER, None)})),
    replace(
        SNAPSHOT,
        request_fields=make_request_fields(["X-Correlation-Id", "X-Request-Id"], ["Partner.example.com"]),
    ),
    replace(SNAPSHOT, limits=SNAPSHOT.limits._replace(buffered=4)),
)
CERTIFICATE = PeerCertificate(("dns:app.internal",), 50.0)

_LINES = st.sampled_from(
    [
        b"Host: gateway.internal:8080",
        b"Host: api.twilio.com",
        b"Host: partner.example.com",
        b"Proxy-Authorization: Bearer " + OTHER_KEY,
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Type: application/json",
        b"User-Agent: twilio-python/9.13.0",
        b"User-Agent: curl/8",
        b"Accept-Encoding: gzip",
        b"X-Any: 1",
        b"X_Odd: 1",
        b"X-Any: \xc3\xa9",
        b"Connection: x-request-id, close",
        b"Connection: keep-alive, idempotency-key",
        b"Expect: 100-continue",
        b"Gateway-Timeout: 3",
        b"Gateway-Repeat: allow",
        b"X-HTTP-Method-Override: DELETE",
        b"Transfer-Encoding: chunked",
    ]
)
_SHOWN = st.sampled_from(
    [
        b"%b: %b" % AUTHORIZATION,
        b"%b: %b" % AUTHORIZATION,
        b"Authorization: Bearer " + OTHER_KEY,
        b"Authorization: Bearer " + OLD_KEY,
        b"Authorization: Bearer nobodys-key-00000",
        b"X-Authorization: none",
    ]
)
_INDIVIDUAL = st.sampled_from(
    [b"X-Request-Id", b"x-request-id", b"traceparent", b"Idempotency-Key", b"X-Correlation-Id"]
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            b"order-1", b"order-2", b"", b"two words", b"\xc3\xa9", b'"a b"', KEY, OTHER_KEY, TOKEN,
            b"Bearer-" + KEY, b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
            b"a" * 129, b"a" * 300, b"a, b", b" padded ", b"a\tb", b"AC" + b"1" * 32,
        ]
    ),
    st.from_regex(rb"[!-~]{1,40}", fullmatch=True),
)  # fmt: skip
_TARGETS = st.sampled_from(
    [
        MESSAGES, MESSAGES, MESSAGES,
        f"/2010-04-01/Accounts/{SUB}/Messages.json",
        f"/2010-04-01/Accounts/{FOREIGN}/Messages.json",
        f"/2010-04-01/Accounts/{OWN}/Calls.json?_method=DELETE",
        "/verify/v2/Services", "/content/v1/Content", "/mcs/v1/Services/IS1/Media", "/any",
        "http://api.twilio.com/2010-04-01/Accounts.json",
    ]
)  # fmt: skip
_REQUESTS = st.tuples(
    st.sampled_from([b"POST"] * 3 + [b"GET", b"PUT"]), _TARGETS, st.sampled_from([b"1.1"] * 4 + [b"1.0"])
)
_BODIES = st.sampled_from([b"", b"a=1", b"a=22", b"[]", b"To=%2B15005550006&Body=x", b"x" * 40])
_HEADS = st.tuples(
    _REQUESTS,
    st.builds(lambda shown, more: [b"Host: localhost", shown, *more], _SHOWN, st.lists(_LINES, max_size=2)),
)
_STEPS = st.tuples(
    st.integers(0, 2),  # which of the example's heads
    st.lists(st.tuples(_INDIVIDUAL, _VALUES), max_size=2),
    st.sampled_from([b"", b"", b"Content-Length: %d", b"Content-Length: %d", b"Content-Length:\t0%d"]),
    _BODIES,
    st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 3]),  # which snapshot
    st.sampled_from([10.0, 10.0, 10.0, 60.0, 200.0]),  # the time
    st.sampled_from([False, False, True]),  # whether the connection ends behind it, and another is made
)


class _Transport(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class _Side:
    """One connection and everything behind it up to the request that would be sent."""

    def __init__(self, certificate: PeerCertificate | None) -> None:
        self.now = 0.0
        self.snapshots = Snapshots(SNAPSHOT)
        self.found: list[object] = []
        self.recalled = 0
        self.kept_open = False
        self.certificate = certificate
        self.scope = ConnectionScope(
            self.handle, self.refuse, ConnectionLimits(), HeadLimits(8190, 64), BufferedBytes(1 << 20)
        )
        self.connect()

    def connect(self) -> None:
        """A new connection of the same caller, whose failures before do not slow its refusals down."""
        self.decisions = Decisions(TokenVerifier(cast(JwksCache, None)), lambda: self.now)
        self.transport = _Transport()
        self.connection = CallerConnection(self.scope, asyncio.get_running_loop())
        self.connection.connection_made(self.transport)
        self.connection._caller.certificate = self.certificate

    def refuse(self, error: GatewayError, address: str) -> bytes:
        self.found.append((error.slug, error.detail))
        return b"refused"

    async def handle(self, request: Request) -> None:
        exchange = Exchange(0.0)
        self.recalled += request.known is not None
        given_ids = request.individual_values(b"x-request-id")
        identities = self.snapshots.current.identities
        taken = take_request_id(given_ids, identities, request.read_secrets()) if given_ids else ""
        seen: list[object] = [
            request.method, request.target, request.version, request.raw_fields, request.body.complete,
            taken if [taken] == list(given_ids) else "a new one",
            *(tuple(request.individual_values(name)) for name in (b"traceparent", b"tracestate")),
        ]  # fmt: skip
        try:
            seen += await self._judge(request, exchange)
            request.answer(200, "OK", b"Content-Length: 0\r\n", b"", closes=False)
        except GatewayError as error:
            seen += [error.slug, error.detail, error.closes]
            request.answer(error.status, "No", b"Content-Length: 0\r\n", b"", closes=error.closes)
        marks = [getattr(exchange, name) for name in Exchange.__slots__ if name != "started_at"]
        self.kept_open = request.keeps_open
        self.found.append((seen, marks, request.keeps_open))

    async def _judge(self, request: Request, exchange: Exchange) -> list[object]:
        current = self.snapshots.current
        found = self.decisions.recall(request, exchange, current)
        decision, inbound, caller = found or await self.decisions.decide(request, exchange, current)
        assert decision is not None
        assert not isinstance(decision.caller, UnverifiedCaller)
        grant, plan = decision.grant, decision.plan
        body = NO_BODY
        if plan.stream:
            check_stream(grant, exchange)
        else:
            body = check_body(grant, plan, await read_body(request.body, plan, 1.0, 1.0), exchange)
        outbound, claim, intent, limit = prepare(
            current, caller, inbound, grant, body,
            streams=plan.stream, client=decision.client, decision=decision,
        )  # fmt: skip
        sent = [getattr(outbound, name) for name in type(outbound).__slots__]
        return [tuple(inbound), caller, grant, plan, decision.client, sent, claim, intent, limit]

    async def send(self, data: bytes, snapshot_at: int, now: float) -> list[object]:
        """What becomes of it. The task of a request is done after a few turns of the loop."""
        self.snapshots.current, self.now = SNAPSHOTS[snapshot_at], now
        self.found, self.transport.written = [], b""
        self.connection.data_received(data)
        while (task := self.connection.task) is not None:
            await asyncio.wait([task])
        return [*self.found, self.transport.written, self.transport.closed]

    def end(self) -> None:
        self.connection.connection_lost(None)


def _write(step: Any, heads: list[Any]) -> bytes:
    at, individual, length, body, *_ = step
    (method, target, version), lines = heads[at % len(heads)]
    more = [b"%b: %b" % field for field in individual]
    if length:
        more.append(length % len(body))
    chunked = b"Transfer-Encoding: chunked" in lines and not length
    text = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
    lines = [b"%b %b HTTP/%b" % (method, target.encode(), version), *lines, *more]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (text if length or chunked else b"")


async def _compare(heads: list[Any], steps: list[Any], certificate: PeerCertificate | None) -> int:
    long = _Side(certificate)
    now = 0.0
    for step in steps:
        data = _write(step, heads)
        now = max(now, step[-2])  # a certificate that has expired is not valid again
        fresh = _Side(certificate)
        expected = await fresh.send(data, step[-3], now)
        assert not fresh.recalled
        assert await long.send(data, step[-3], now) == expected, data
        fresh.end()
        if step[-1] or not fresh.kept_open:
            long.end()
            long.connect()
    long.end()
    return long.recalled


@settings(max_examples=400, deadline=None)
@given(
    st.lists(_HEADS, min_size=1, max_size=2),
    st.lists(_STEPS, min_size=2, max_size=8),
    st.sampled_from([None, None, CERTIFICATE]),
)
def test_a_known_head_is_decided_as_a_new_one(
    heads: list[Any], steps: list[Any], certificate: PeerCertificate | None
) -> None:
    asyncio.run(_compare(heads, steps, certificate))
