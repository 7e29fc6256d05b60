"""A JWT as identity inside a tunnel: of each request, or shown at CONNECT for all of them."""

import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.authority import make_authority, trusting_root
from tests.support.issuing import CONSUMERS, issuer
from tests.support.jwt import KeyServer, claims, sign
from tests.support.running import KEY, Running, running_gateway
from tests.support.tunnel import tunnel
from tests.support.tunnel_calls import get
from tests.support.upstream import RawUpstream

GOOD, FOREIGN = sign(claims()), sign(claims(aud="another audience"))
APP = "Basic " + base64.b64encode(f"app:{KEY}".encode()).decode()


@pytest.fixture
async def gateway(upstream: RawUpstream, issuing: KeyServer, tmp_path: Path) -> AsyncIterator[Running]:
    """It has a CA, and trusts the issuer."""
    ca = make_authority(tmp_path / "pki")
    async with running_gateway(upstream.url, ca=ca, consumers=CONSUMERS, jwt=[issuer(issuing)]) as running:
        yield running


@pytest.fixture
def trusting(gateway: Running, tmp_path: Path) -> ssl.SSLContext:
    """A client that trusts the root."""
    return trusting_root(tmp_path / "pki")


async def test_the_token_of_each_request(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream
) -> None:
    async with tunnel(gateway.port, trusting) as caller:
        for token, status in ((GOOD, 200), (FOREIGN, 401), (GOOD, 200)):
            await caller.send(get(auth=f"Bearer {token}"))
            assert (await caller.answer()).status == status
        await caller.send(get(auth=APP))
        assert (await caller.answer()).status == 200
    lines = await gateway.exchange_logged(4)
    assert [(line.get("consumer"), line["status"]) for line in lines if line["status"] == 200] == [
        ("billing", 200), ("billing", 200), ("app", 200),
    ]  # fmt: skip
    assert len(upstream.received) == 3
    assert GOOD not in str(gateway.log())


@pytest.mark.parametrize(
    ("token", "inner", "status", "slug"),
    [
        (GOOD, "", 200, ""),
        (GOOD, f"Bearer {GOOD}", 200, ""),
        (GOOD, APP, 401, "two_identities"),
        (FOREIGN, "", 401, None),
        (FOREIGN, APP, 401, None),
    ],
    ids=["alone", "the same inside", "another's key inside", "foreign", "foreign, a good key inside"],
)
async def test_the_token_of_connect_decides(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream,
    token: str, inner: str, status: int, slug: str | None,
) -> None:  # fmt: skip
    shown = f"Proxy-Authorization: Bearer {token}"
    async with tunnel(gateway.port, trusting, "api.twilio.com", shown) as caller:
        await caller.send(get(auth=inner or None))
        answer = await caller.answer()
    assert answer.status == status
    assert slug is None or answer.slug == slug
    assert len(upstream.received) == (status == 200)


async def test_a_token_inside_a_tunnel_of_a_key(
    gateway: Running, trusting: ssl.SSLContext, upstream: RawUpstream
) -> None:
    """Another consumer's contradicts the key; one that is no consumer's was meant for Twilio."""
    async with tunnel(gateway.port, trusting, "api.twilio.com", f"Proxy-Authorization: {APP}") as caller:
        await caller.send(get(auth=f"Bearer {GOOD}"))
        assert (await caller.answer()).slug == "two_identities"
        await caller.send(get(auth=f"Bearer {FOREIGN}"))
        assert (await caller.answer()).status == 200
    assert len(upstream.received) == 1
