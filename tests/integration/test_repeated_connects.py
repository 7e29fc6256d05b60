"""A CONNECT whose bytes opened a tunnel before is not judged again: all that follows is as the first time."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.http.tunnel import Tunnel
from gateway.listener import tunnels
from gateway.listener.tunnels import KnownConnects
from tests.support.authority import make_authority, trusting_root
from tests.support.caller import raw_caller
from tests.support.metrics import fetch, read_samples
from tests.support.running import ENVIRON, KEY, Running, configuration, digest, running_gateway
from tests.support.tunnel import ESTABLISHED, TunnelRefusedError, connect_head, tunnel
from tests.support.tunnel_calls import CONSUMERS, OTHER_KEY, get, proxy
from tests.support.upstream import RawUpstream

HOST = "api.twilio.com"
BY_KEY, BY_OTHER = proxy("app", KEY), proxy("other", OTHER_KEY)


async def ask_inside(
    gateway: Running, trusting: ssl.SSLContext, *fields: str, auth: str | None = None
) -> tuple[int, str]:
    """Status and slug of one request in a new tunnel, whose CONNECT comes alone."""
    async with tunnel(gateway.port, trusting, HOST, *fields, one_segment=False) as caller:
        await caller.send(get(auth=auth))
        answer = await caller.answer()
        return answer.status, answer.slug


async def test_each_key_is_its_own_consumers(upstream: RawUpstream, tmp_path: Path) -> None:
    ca = make_authority(tmp_path)
    async with running_gateway(upstream.url, ca=ca, consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        for _ in range(3):
            assert await ask_inside(gateway, trusting, BY_KEY) == (200, "")
            assert await ask_inside(gateway, trusting, BY_OTHER) == (200, "")
            assert await ask_inside(gateway, trusting, proxy("app", "gw_nobodys-key")) == (
                401,
                "unknown_consumer",
            )
            assert await ask_inside(gateway, trusting) == (401, "missing_key")
        lines = await gateway.exchange_logged(12)
        assert [line.get("consumer", "") for line in lines] == ["app", "other", "", ""] * 3
        samples = read_samples(await fetch(gateway.admin_url))
        assert samples["gateway_tunnels_opened_total", ()] == 12


async def test_a_reload_is_judged_anew(
    upstream: RawUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is gone, and a name that is not served any more."""
    ca = make_authority(tmp_path)
    async with running_gateway(upstream.url, ca=ca, consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        for _ in range(2):
            assert await ask_inside(gateway, trusting, BY_OTHER) == (200, "")
        config = tmp_path / "gateway.yaml"
        settings = configuration(upstream.url, ca=ca, consumers={"app": CONSUMERS["app"]})
        config.write_text(yaml.safe_dump(settings))
        await gateway.gateway.apply(make_configuration(load_resolved(config, ENVIRON)))
        assert await ask_inside(gateway, trusting, BY_OTHER) == (401, "unknown_consumer")
        monkeypatch.setattr(tunnels, "UNIDENTIFIED_PER_ADDRESS", 0)
        with pytest.raises(TunnelRefusedError, match="503"):  # whose key it was counts no more
            await ask_inside(gateway, trusting, BY_OTHER)
        del settings["ca"]
        config.write_text(yaml.safe_dump(settings))
        await gateway.gateway.apply(make_configuration(load_resolved(config, ENVIRON)))
        with pytest.raises(TunnelRefusedError) as refused:
            await ask_inside(gateway, trusting, BY_OTHER)
        assert refused.value.answer.status == 501


async def test_a_key_that_expires(
    upstream: RawUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tunnels count as those of a known caller until then, and no longer."""
    ends = datetime.now(UTC) + timedelta(days=1)
    app = {**CONSUMERS["app"], "keys": [{"digest": digest(KEY), "expires": ends.isoformat()}]}
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers={"app": app}) as gateway:
        trusting = trusting_root(tmp_path)
        monkeypatch.setattr(tunnels, "UNIDENTIFIED_PER_ADDRESS", 0)
        for _ in range(2):
            assert await ask_inside(gateway, trusting, BY_KEY) == (200, "")
        monkeypatch.setattr(time, "time", lambda: ends.timestamp() + 1)
        with pytest.raises(TunnelRefusedError):
            await ask_inside(gateway, trusting, BY_KEY)


async def test_unknown_callers_are_bounded(
    upstream: RawUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        monkeypatch.setattr(tunnels, "UNIDENTIFIED_PER_ADDRESS", 2)
        async with (
            tunnel(gateway.port, trusting, one_segment=False),
            tunnel(gateway.port, trusting, one_segment=False) as second,
        ):
            with pytest.raises(TunnelRefusedError) as refused:
                await ask_inside(gateway, trusting)
            assert refused.value.answer.slug == "too_many_connections"
            await second.send(get())
            assert (await second.answer()).status == 200
            assert await ask_inside(gateway, trusting) == (401, "missing_key")


async def test_what_was_decided_outside_does_not_hold_inside(upstream: RawUpstream, tmp_path: Path) -> None:
    """One connection: a request by plain HTTP, then CONNECT with another consumer's key."""
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        for _ in range(2):
            async with raw_caller(gateway.port) as caller:
                await caller.send(get())
                assert (await caller.answer()).status == 200
                await caller.send(connect_head(HOST, BY_OTHER))
                assert await caller.reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
        assert await ask_inside(gateway, trusting, BY_OTHER, auth=f"Bearer {KEY}") == (401, "two_identities")


async def test_no_tunnel_opens_in_a_tunnel(upstream: RawUpstream, tmp_path: Path) -> None:
    async with (
        running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway,
        tunnel(gateway.port, trusting_root(tmp_path), one_segment=False) as caller,
    ):
        await caller.send(connect_head(HOST))
        assert (await caller.answer()).slug == "tunnel_in_tunnel"


async def test_a_connection_too_many_opens_none(upstream: RawUpstream, tmp_path: Path) -> None:
    async with running_gateway(
        upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS, callers={"connections": 1}
    ) as gateway:
        trusting = trusting_root(tmp_path)
        async with tunnel(gateway.port, trusting, HOST, BY_KEY, one_segment=False):
            with pytest.raises(TunnelRefusedError, match="503"):
                await ask_inside(gateway, trusting, BY_KEY)


async def test_many_at_once_under_one_head(upstream: RawUpstream, tmp_path: Path) -> None:
    async with running_gateway(upstream.url, ca=make_authority(tmp_path), consumers=CONSUMERS) as gateway:
        trusting = trusting_root(tmp_path)
        found = await asyncio.gather(*(ask_inside(gateway, trusting, BY_KEY) for _ in range(20)))
        assert found == [(200, "")] * 20
        assert gateway.gateway._minting.minted == 1


def test_no_key_is_kept() -> None:
    known = KnownConnects()
    head = connect_head(HOST, BY_KEY)
    known.keep(head, Tunnel(HOST, BY_KEY.partition(": ")[2].encode()), 5.0)
    found = known.find(head)
    assert found is not None
    assert head[found.begin : found.end].decode() == BY_KEY.partition(": ")[2]
    assert BY_KEY.split()[-1].encode() not in repr(vars(known)).encode()
    assert known.find(head + b"x") is None
    assert known.find(head[:-2]) is None


def test_the_table_is_bounded() -> None:
    known = KnownConnects()
    for number in range(1000):
        known.keep(connect_head(HOST, f"X-Any: {number}"), Tunnel(HOST), 0.0)
    assert len(known._known) <= 256
    assert known.find(connect_head(HOST, "X-Any: 999")) is not None
