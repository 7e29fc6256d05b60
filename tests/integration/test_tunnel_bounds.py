"""How long tunnels may take, how many there may be, and how they end; who calls by certificate and by JWT."""

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.errors import Refusal
from gateway.listener import tunnels
from gateway.listener.connections import Closed
from gateway.listener.tunnels import TunnelBounds
from tests.support.attempts import until
from tests.support.authority import make_authority, trusting_root
from tests.support.caller import ask_admin, raw_caller
from tests.support.metrics import fetch, read_samples
from tests.support.moved_clock import MovedClock
from tests.support.running import KEY, running_gateway
from tests.support.tls import Authority
from tests.support.tunnel import ESTABLISHED, TunnelCaller, TunnelRefusedError, connect_head, tunnel
from tests.support.tunnel_calls import CONSUMERS, OTHER_KEY, get, proxy
from tests.support.upstream import RawUpstream, ScriptedConnection, reply

BY_KEY = proxy("app", KEY)


async def test_a_handshake_that_does_not_come(
    clock: MovedClock, upstream: RawUpstream, tmp_path: Path
) -> None:
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        for field in ((), (BY_KEY,)):
            async with raw_caller(gateway.port) as caller:
                await caller.send(connect_head("api.twilio.com", *field))
                assert await caller.reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
                clock.advance(10.1)
                assert await caller.rest() == b""
        assert gateway.gateway.listener.tracker.closed == {Closed.HEAD_TIMEOUT: 2}


async def test_a_first_head_that_does_not_come(
    clock: MovedClock, upstream: RawUpstream, tmp_path: Path
) -> None:
    """Ten seconds for a caller that is not known, as long as any connection may be idle for one that is."""
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        async with (
            tunnel(gateway.port, trusting) as unknown,
            tunnel(gateway.port, trusting, "api.twilio.com", BY_KEY) as known,
        ):
            await unknown.send(b"GET / HTTP/1.1\r\n")
            await known.send(get())
            assert (await known.answer()).status == 200  # by now the other one's bytes were read, too
            clock.advance(10.1)
            assert b"head_timeout" in await unknown.reader.read()
            await known.send(get())
            assert (await known.answer()).status == 200
        async with tunnel(gateway.port, trusting) as caller:
            await caller.send(get())
            assert (await caller.answer()).status == 200
            clock.advance(60)
            await caller.send(get())
            assert (await caller.answer()).status == 200


async def test_ten_seconds_are_for_handshake_and_first_head_together(
    clock: MovedClock, upstream: RawUpstream, tmp_path: Path
) -> None:
    """Of a caller that is not known; one that is known may be silent, and so may one that was refused."""
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        async with raw_caller(gateway.port) as outer:
            late = TunnelCaller(outer, trusting, "api.twilio.com", None)
            await outer.send(connect_head("api.twilio.com"))
            assert await outer.reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
            clock.advance(6)
            await outer.send(late.hello())
            await late.shake_hands()
            async with (
                tunnel(gateway.port, trusting, "api.twilio.com", BY_KEY) as known,
                tunnel(gateway.port, trusting) as refused,
            ):
                await refused.send(get(auth="Basic eDp5"))
                assert (await refused.answer()).status == 401
                clock.advance(4.1)
                async with asyncio.timeout(120):
                    assert await late.reader.read() == b""
                clock.advance(6)
                for _ in range(9):  # what is due by now has happened
                    await asyncio.sleep(0)
                for caller in (known, refused):
                    await caller.send(get())
                    assert (await caller.answer()).status == 200
            await late.close()


def test_bounds_by_address_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "UNIDENTIFIED_PER_ADDRESS", 2)
    monkeypatch.setattr(tunnels, "UNIDENTIFIED_AT_ONCE", 3)
    bounds = TunnelBounds()
    for _ in range(2):
        bounds.require_room("a")
        bounds.enter("a", identified=False)
    with pytest.raises(Refusal, match="too_many_connections"):
        bounds.require_room("a")
    bounds.enter("b", identified=False)
    with pytest.raises(Refusal, match="too_many_connections"):
        bounds.require_room("c")
    bounds.identify("a")
    bounds.require_room("a")
    bounds.leave("a", identified=True)
    bounds.leave("a", identified=False)
    bounds.leave("b", identified=False)
    assert (bounds.open, bounds.opened) == (0, 3)
    assert (bounds._unidentified, bounds._unidentified_total) == ({}, 0)


async def test_tunnels_of_unknown_callers_are_bounded(
    monkeypatch: pytest.MonkeyPatch, upstream: RawUpstream, tmp_path: Path
) -> None:
    """Until a request inside says who calls."""
    monkeypatch.setattr(tunnels, "UNIDENTIFIED_PER_ADDRESS", 1)
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        async with tunnel(gateway.port, trusting) as first:
            with pytest.raises(TunnelRefusedError) as refused:
                async with tunnel(gateway.port, trusting):
                    pass
            assert (refused.value.answer.status, refused.value.answer.slug) == (503, "too_many_connections")
            async with tunnel(gateway.port, trusting, "api.twilio.com", BY_KEY):
                pass
            await first.send(get(auth="Basic eDp5"))
            assert (await first.answer()).status == 401
            with pytest.raises(TunnelRefusedError):
                async with tunnel(gateway.port, trusting):
                    pass
            await first.send(get())
            assert (await first.answer()).status == 200
            async with tunnel(gateway.port, trusting) as second:
                await second.send(get())
                assert (await second.answer()).status == 200


async def test_drain_lets_requests_inside_finish(upstream: RawUpstream, tmp_path: Path) -> None:
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        release = asyncio.Event()

        async def wait(connection: ScriptedConnection) -> None:
            await release.wait()
            await reply(b"{}")(connection)

        upstream.then(wait)
        async with tunnel(gateway.port, trusting) as caller, tunnel(gateway.port, trusting) as idle:
            await caller.send(get())
            await upstream.arrived()
            draining = asyncio.create_task(gateway.gateway.drain())
            assert await idle.reader.read() == b""
            release.set()
            answer = await caller.answer()
            assert (answer.status, answer.value("connection")) == (200, "close")
            await draining


async def test_metrics_and_the_root_on_the_admin_port(upstream: RawUpstream, tmp_path: Path) -> None:
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        async with tunnel(gateway.port, trusting_root(tmp_path)) as caller:
            await caller.send(get())
            await caller.answer()
            page = read_samples(await fetch(gateway.admin_url))
        assert page["gateway_tunnels", ()] == 1
        assert page["gateway_tunnels_opened_total", ()] == 1
        assert page["gateway_certificates_minted_total", ()] == 1
        port = int(gateway.admin_url.rpartition(":")[2])
        for host in ("localhost", "gateway.example"):
            answer = await ask_admin(port, "/root.pem", host=host)
            assert (answer.status, answer.body) == (200, (tmp_path / "root.pem").read_bytes())
        assert KEY.encode() not in (await ask_admin(port, "/metrics")).body
    async with running_gateway(upstream.url) as plain:
        assert (await ask_admin(int(plain.admin_url.rpartition(":")[2]), "/root.pem")).status == 404


async def test_a_client_certificate_counts_on_the_outer_connection(
    upstream: RawUpstream, tmp_path: Path
) -> None:
    """HTTPS to the gateway as a proxy, with a certificate; inside, none is asked for."""
    authority = Authority()
    tls = authority.write_pair(tmp_path) | {
        "client_certificates": "optional",
        "client_ca_file": authority.write_ca(tmp_path / "clients.pem"),
    }
    consumers = {name: dict(each) for name, each in CONSUMERS.items()}
    consumers["app"]["certificates"] = [{"san": "app.internal"}]
    ca = make_authority(tmp_path / "pki")
    async with running_gateway(upstream.url, ca=ca, tls=tls, consumers=consumers) as gateway:
        bounds = gateway.gateway.listener._scope.tunnels
        outer = authority.trusting(authority.issue("app.internal"))
        async with tunnel(gateway.port, trusting_root(tmp_path / "pki"), outer_tls=outer) as caller:
            await caller.send(get(auth=None))
            assert (await caller.answer()).status == 200
            await caller.send(get(auth=f"Bearer {OTHER_KEY}"))
            assert (await caller.answer()).status == 401
        async with tunnel(
            gateway.port, trusting_root(tmp_path / "pki"), outer_tls=authority.trusting()
        ) as caller:
            await caller.send(get(auth=None))
            assert (await caller.answer()).slug == "missing_key"
            assert bounds._unidentified_total == 1
            # The same bytes, of a caller with a certificate and of one without, before and after each other.
            for context, unidentified in ((outer, 1), (authority.trusting(), 2), (outer, 1)):
                async with tunnel(
                    gateway.port, trusting_root(tmp_path / "pki"), outer_tls=context, one_segment=False
                ):
                    assert bounds._unidentified_total == unidentified
                await until(lambda: bounds.open == 1)


async def test_a_key_that_a_reload_removes_ends_its_tunnels(upstream: RawUpstream, tmp_path: Path) -> None:
    import yaml

    from gateway.app.configuration import make_configuration
    from gateway.config.loading.resolve import load_resolved
    from tests.support.running import ENVIRON, configuration

    ca = make_authority(tmp_path / "pki")
    trusting = trusting_root(tmp_path / "pki")
    async with (
        running_gateway(upstream.url, ca=ca, consumers=CONSUMERS) as gateway,
        tunnel(gateway.port, trusting, "api.twilio.com", BY_KEY) as caller,
    ):
        await caller.send(get(auth=None))
        assert (await caller.answer()).status == 200
        config = tmp_path / "gateway.yaml"
        config.write_text(
            yaml.safe_dump(configuration(upstream.url, ca=ca, consumers={"other": CONSUMERS["other"]}))
        )
        await gateway.gateway.apply(make_configuration(load_resolved(config, ENVIRON)))
        await caller.send(get(auth=None))
        assert (await caller.answer()).slug == "unknown_consumer"


BY_NAME = [
    ("api.twilio.com", True),
    ("verify.twilio.com", True),
    ("gw.internal", True),
    ("example.com", False),
]


@pytest.mark.parametrize(("name", "served"), BY_NAME)
async def test_by_name(upstream: RawUpstream, tmp_path: Path, name: str, served: bool) -> None:
    ca = make_authority(tmp_path, ["gw.internal"]) | {"names": ["gw.internal"]}
    async with running_gateway(upstream.url, ca=ca, tls={"mint": True}, consumers=CONSUMERS) as gateway:
        reader = writer = None
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", gateway.port, ssl=trusting_root(tmp_path), server_hostname=name
            )
            writer.write(get(name))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert served
        except (ssl.SSLError, ConnectionError):
            assert not served
        finally:
            if writer is not None:
                writer.close()
        assert len(upstream.received) == served


async def test_by_name_beside_a_certificate_of_its_own(upstream: RawUpstream, tmp_path: Path) -> None:
    """The file's certificate is shown for its names, and to those who ask for none."""
    authority = Authority()
    tls = authority.write_pair(tmp_path, "gw.example", "*.gw.example") | {"mint": True}
    ca = make_authority(tmp_path / "pki")
    async with running_gateway(upstream.url, ca=ca, tls=tls, consumers=CONSUMERS) as gateway:
        for name, context in (
            ("gw.example", authority.trusting()),
            ("a.gw.example", authority.trusting()),
            ("api.twilio.com", trusting_root(tmp_path / "pki")),
        ):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", gateway.port, ssl=context, server_hostname=name
            )
            writer.close()
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        with pytest.raises((ssl.SSLError, ConnectionError)):  # nothing is shown for other names
            await asyncio.open_connection(
                "127.0.0.1", gateway.port, ssl=careless, server_hostname="example.com"
            )
        nameless = authority.trusting()
        nameless.check_hostname = False
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=nameless, server_hostname="")
        writer.close()
