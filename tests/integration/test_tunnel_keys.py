"""Who calls inside a tunnel: by the key of CONNECT, by that of each request, or by none."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.attempts import until
from tests.support.authority import make_authority, trusting_root
from tests.support.running import KEY, Running, running_gateway
from tests.support.tunnel import tunnel
from tests.support.tunnel_calls import CONSUMERS, OTHER_KEY, get, proxy
from tests.support.upstream import RawUpstream


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


TWILIOS = "Basic QUMwMDoxMjM0NTY3ODkw"
"""What an SDK sends that knows nothing of the gateway."""


async def test_the_key_of_connect_decides(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream
) -> None:
    async with tunnel(gateway.port, trusting, "api.twilio.com", proxy("app", KEY)) as caller:
        for auth in (TWILIOS, None, "Bearer nothing", "Digest x", f"Bearer {KEY}"):
            await caller.send(get(auth=auth))
            answer = await caller.answer()
            assert (answer.status, answer.slug) == (200, ""), auth
        for auth in (f"Bearer {OTHER_KEY}", "Basic " + proxy("other", OTHER_KEY).split()[-1]):
            await caller.send(get(auth=auth))
            answer = await caller.answer()
            assert (answer.status, answer.slug) == (401, "two_identities")
        await caller.send(
            get(auth=None).replace(b"\r\n\r\n", f"\r\n{proxy('other', OTHER_KEY)}\r\n\r\n".encode())
        )
        assert (await caller.answer()).slug == "two_identities"
    assert len(upstream.received) == 5
    sent = b"".join(each.head for each in upstream.received)
    assert KEY.encode() not in sent
    assert TWILIOS.encode() not in sent
    assert {line["consumer"] for line in (await gateway.exchange_logged(8))[:5]} == {"app"}


WRONG = {
    "key": (proxy("app", "gw_nobody-has-this-key-at-all-0123456789"), "unknown_consumer"),
    "name": (proxy("other", KEY), "unknown_consumer"),
    "form": ("Proxy-Authorization: Digest x", "missing_key"),
    "empty": ("Proxy-Authorization: Basic", "missing_key"),
}


@pytest.mark.parametrize(("field", "slug"), WRONG.values(), ids=WRONG)
async def test_a_wrong_key_at_connect_is_refused_inside(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream, field: str, slug: str
) -> None:
    """Even beside a right one inside."""
    async with tunnel(gateway.port, trusting, "api.twilio.com", field) as caller:
        await caller.send(get())
        answer = await caller.answer()
        assert (answer.status, answer.slug) == (401, slug)
        assert b'"code":20003' in answer.body
    assert not upstream.received


async def test_no_key_at_all(gateway: Running, trusting: ssl.SSLContext) -> None:
    async with tunnel(gateway.port, trusting) as caller:
        await caller.send(get(auth=None))
        assert (await caller.answer()).slug == "missing_key"


class Stranger(NamedTuple):
    """Another tunnel than the one before, with the same head inside, and what it is refused for."""

    connect: tuple[str, ...] = ()
    name: str = "api.twilio.com"
    slug: str = ""


STRANGERS = {
    "another-sni": Stranger(name="verify.twilio.com", slug="misdirected_request"),
    "another-key-at-connect": Stranger((proxy("other", OTHER_KEY),), slug="two_identities"),
    "an-unknown-key-at-connect": Stranger((proxy("app", "gw" + "a" * 43),), slug="unknown_consumer"),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
async def test_a_head_that_the_last_tunnel_sent(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream, stranger: Stranger
) -> None:
    """It is known in the next one of the same caller, and judged from the start in any other."""
    listener = gateway.gateway.listener
    for _ in range(3):
        async with tunnel(gateway.port, trusting) as caller:
            await caller.send(get())
            assert (await caller.answer()).slug == ""
        await until(lambda: not listener.tracker.open)
        assert listener._scope.head_budget.heads == 1  # the first tunnel's, which the others took over
    trusting.check_hostname = False
    async with tunnel(
        gateway.port, trusting, "api.twilio.com", *stranger.connect, name=stranger.name
    ) as caller:
        await caller.send(get())
        assert (await caller.answer()).slug == stranger.slug
    assert len(upstream.received) == 3
    lines = await gateway.exchange_logged(4)
    assert [line.get("consumer", "") for line in lines[:3]] == ["app"] * 3
