"""Tunnels over real sockets: CONNECT, TLS with a minted certificate, and the usual requests inside."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from tests.support.authority import make_authority, trusting_root
from tests.support.caller import FORM, ask, raw_caller
from tests.support.running import Running, running_gateway
from tests.support.tunnel import ESTABLISHED, connect_head, tunnel
from tests.support.tunnel_calls import CONSUMERS, get
from tests.support.upstream import RawUpstream, reply


@pytest.fixture
async def gateway(upstream: RawUpstream, tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with a CA."""
    async with running_gateway(
        upstream.url, ca=make_authority(tmp_path / "pki"), consumers=CONSUMERS
    ) as running:
        yield running


@pytest.fixture
def trusting(gateway: Running, tmp_path: Path) -> ssl.SSLContext:
    """A client that trusts the root."""
    return trusting_root(tmp_path / "pki")


@pytest.mark.parametrize("one_segment", [True, False])
async def test_requests_inside(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream, one_segment: bool
) -> None:
    async with tunnel(gateway.port, trusting, one_segment=one_segment) as caller:
        for _ in range(3):
            await caller.send(get())
            answer = await caller.answer()
            assert (answer.status, answer.slug) == (200, "")
        await caller.send(get(auth="Basic eDp5"))
        assert (await caller.answer()).slug == "unknown_consumer"
    assert len(upstream.received) == 3
    assert [line["status"] for line in await gateway.exchange_logged(4)] == [200, 200, 200, 401]


async def test_large_bodies_both_ways(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream
) -> None:
    upstream.then(reply(b"x" * 300_000))
    async with tunnel(gateway.port, trusting) as caller:
        body = b"To=1&Body=" + b"y" * 250_000
        await caller.send(
            get()
            .replace(b"GET", b"POST", 1)
            .replace(b"\r\n\r\n", b"\r\n" + FORM.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body))
            + body
        )
        assert (await caller.answer()).body == b"x" * 300_000
        await caller.send(get())
        assert (await caller.answer()).status == 200
    assert upstream.received[0].body == body


HEADS = {
    "1.1": connect_head("api.twilio.com"),
    "1.0_without_host": b"CONNECT api.twilio.com:443 HTTP/1.0\r\n\r\n",
    "1.1_without_host": b"CONNECT api.twilio.com:443 HTTP/1.1\r\n\r\n",
    "node": b"CONNECT api.twilio.com:443 HTTP/1.1\r\nHost: api.twilio.com\r\nConnection: close\r\n\r\n",
    "php": connect_head("api.twilio.com", "Proxy-Connection: Keep-Alive"),
    "capitals_and_dot": b"CONNECT API.Twilio.com.:443 HTTP/1.1\r\nHost: API.Twilio.com.:443\r\n\r\n",
    "length_zero": connect_head("api.twilio.com", "Content-Length: 0"),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_ways_to_ask(gateway: Running, trusting: ssl.SSLContext, head: bytes) -> None:
    async with tunnel(gateway.port, trusting, head=head) as caller:
        await caller.send(get())
        assert (await caller.answer()).status == 200


@pytest.mark.parametrize(
    "host", ["verify.twilio.com", "api.dublin.ie1.twilio.com", "mcs.us1.twilio.com", "preview-iam.twilio.com"]
)
async def test_every_host_of_the_catalogue(gateway: Running, trusting: ssl.SSLContext, host: str) -> None:
    async with tunnel(gateway.port, trusting, host) as caller:
        assert caller.tls.getpeercert()["subjectAltName"] == (("DNS", host),)  # type: ignore[index]


REFUSED = {
    "other_host": (connect_head("example.com"), 403, "tunnel_refused"),
    "beneath": (connect_head("api.twilio.com.example.com"), 403, "tunnel_refused"),
    "no_product": (connect_head("nothing.twilio.com"), 403, "tunnel_refused"),
    "unknown_region": (connect_head("api.a.b.twilio.com"), 403, "tunnel_refused"),
    "other_port": (connect_head("api.twilio.com", port=80), 403, "tunnel_refused"),
    "address": (connect_head("127.0.0.1"), 403, "tunnel_refused"),
    "ipv6": (connect_head("[::1]"), 403, "tunnel_refused"),
    "itself": (connect_head("localhost"), 403, "tunnel_refused"),
    "no_port": (b"CONNECT api.twilio.com HTTP/1.1\r\nHost: a\r\n\r\n", 400, None),
    "length": (connect_head("api.twilio.com", "Content-Length: 4") + b"abcd", 400, "unexpected_body"),
    "chunked": (
        connect_head("api.twilio.com", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, "unexpected_body",
    ),
    "key_twice": (
        connect_head("api.twilio.com", "Proxy-Authorization: Basic a", "Proxy-Authorization: Basic b"),
        400, "bad_header",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("head", "status", "slug"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_at_connect(
    gateway: Running, upstream: RawUpstream, head: bytes, status: int, slug: str | None
) -> None:
    """With a status line, in Twilio's shape, and nothing behind it is read as a request."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(head + get())
        answer = await caller.answer()
        assert answer.status == status
        assert slug in (None, answer.slug)
        assert await caller.rest() == b""
    assert not upstream.received
    assert [line["status"] for line in await gateway.exchange_logged(1)] == [status]


async def test_without_a_ca(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url) as gateway:
        answer = await ask(gateway.port, connect_head("api.twilio.com"))
        assert (answer.status, answer.slug) == (501, "connect_unsupported")
        assert answer.value("connection") == "close"
        assert b"gateway ca init" in answer.body


@pytest.mark.parametrize("name", ["verify.twilio.com", "example.com"])
async def test_another_sni(gateway: Running, upstream: RawUpstream, name: str) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    async with tunnel(gateway.port, careless, name=name) as caller:
        await caller.send(get())
        answer = await caller.answer()
        assert (answer.status, answer.slug) == (421, "misdirected_request")
    assert not upstream.received


async def test_no_sni(gateway: Running) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    async with tunnel(gateway.port, careless, name=None) as caller:
        await caller.send(get())
        assert (await caller.answer()).status == 200


INSIDE = {
    "host": (get("verify.twilio.com"), 421),
    "gateways_host": (get("gateway.test"), 421),
    "port": (get("api.twilio.com:8443"), 421),
    "absolute": (get().replace(b"GET ", b"GET https://verify.twilio.com"), 421),
    "right_port": (get("api.twilio.com:443"), 200),
    "capitals": (get("API.twilio.com."), 200),
    "right_absolute": (get().replace(b"GET ", b"GET https://api.twilio.com"), 200),
    "no_host": (get().replace(b"HTTP/1.1\r\nHost: api.twilio.com", b"HTTP/1.0"), 200),
    "connect": (connect_head("api.twilio.com"), 400),
}


@pytest.mark.parametrize(("data", "status"), INSIDE.values(), ids=INSIDE)
async def test_names_inside(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream, data: bytes, status: int
) -> None:
    async with tunnel(gateway.port, trusting) as caller:
        await caller.send(data)
        answer = await caller.answer()
        expected = {421: "misdirected_request", 400: "tunnel_in_tunnel", 200: ""}[status]
        assert (answer.status, answer.slug) == (status, expected)
    assert len(upstream.received) == (status == 200)


async def test_sessions_are_resumed_and_alpn_is_http_1_1(gateway: Running, trusting: ssl.SSLContext) -> None:
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    session = None
    for expected in (False, True):
        async with tunnel(gateway.port, trusting, session=session) as caller:
            await caller.send(get())
            assert (await caller.answer()).status == 200
            assert caller.tls.session_reused is expected
            assert caller.tls.selected_alpn_protocol() == "http/1.1"
            session = caller.tls.session


async def test_what_is_no_tls(gateway: Running) -> None:
    async with raw_caller(gateway.port) as caller:
        await caller.send(connect_head("api.twilio.com") + get())
        assert (await caller.reader.readexactly(len(ESTABLISHED))) == ESTABLISHED
        await caller.rest()
    await gateway.capture.until(lambda lines: any(line["event"] == "tls handshake failed" for line in lines))


async def test_a_connection_counts_once(gateway: Running, trusting: ssl.SSLContext) -> None:
    tracker = gateway.gateway.listener.tracker
    async with tunnel(gateway.port, trusting) as caller:
        await caller.send(get())
        await caller.answer()
        assert (tracker.open, tracker.accepted) == (1, 1)
    assert tracker.accepted == 1


async def test_one_minting_per_name(gateway: Running, trusting: ssl.SSLContext) -> None:
    for host in ("api.twilio.com", "verify.twilio.com", "api.twilio.com"):
        async with tunnel(gateway.port, trusting, host):
            pass
    assert gateway.gateway._minting.minted == 2


def test_the_same_under_uvloop(tmp_path: Path) -> None:
    """The event loop of production."""
    from tests.support.upstream import raw_upstream

    async def run() -> None:
        ca = make_authority(tmp_path / "pki")
        async with raw_upstream() as upstream, running_gateway(upstream.url, ca=ca) as gateway:
            upstream.then(reply(b"x" * 300_000))
            for one_segment in (True, False):
                async with tunnel(
                    gateway.port, trusting_root(tmp_path / "pki"), one_segment=one_segment
                ) as caller:
                    await caller.send(get())
                    assert (await caller.answer()).status == 200

    uvloop.run(run())
