"""JWTs as identity, end to end: real keys, a real issuer, and everything that must not get in."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.caller import MESSAGES, ask, request
from tests.support.issuing import CONSUMERS, KUBERNETES, issuer, show
from tests.support.jwt import (
    AUDIENCE,
    KeyServer,
    claims,
    ec_key,
    key_server,
    rsa_key,
    sign,
    signed_with_a_public_key,
    unsigned,
)
from tests.support.running import KEY, Running, consumer, running_gateway
from tests.support.tls import Authority
from tests.support.upstream import RawUpstream


@pytest.fixture
async def gateway(upstream: RawUpstream, issuing: KeyServer) -> AsyncIterator[Running]:
    """It trusts the issuer."""
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(issuing)]) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("token", "user", "name"),
    [
        (sign(claims()), None, "billing"),
        (sign(claims(), ec_key(), "ES256"), None, "billing"),
        (sign(claims(aud=["https://kubernetes.default.svc", AUDIENCE])), None, "billing"),
        (sign(claims(sub="x", **{"kubernetes.io": KUBERNETES})), None, "mail"),
        (sign(claims()), "billing", "billing"),
    ],
    ids=["RSA", "EC", "several audiences", "Kubernetes", "password of Basic"],
)
async def test_a_good_token(
    gateway: Running, upstream: RawUpstream, token: str, user: str | None, name: str
) -> None:
    """It is its consumer, again and again, and does not travel on."""
    for _ in range(2):
        answer = await show(gateway, token, f"X-Auth-Request-Access-Token: {token}", user=user)
        assert answer.status == 200
    assert [line["consumer"] for line in await gateway.exchange_logged(2)] == [name, name]
    sent = b"".join(received.head + received.body for received in upstream.received)
    assert token.encode() not in sent
    assert token.split(".")[2].encode() not in sent
    assert token not in repr(gateway.log())


_NOW = int(time.time())


@pytest.mark.parametrize(
    ("token", "user", "slug"),
    [
        (sign(claims(exp=_NOW - 11)), None, "expired_token"),
        (sign(claims(exp=None)), None, "invalid_token"),
        (sign(claims(nbf=_NOW + 3600)), None, "invalid_token"),
        (sign(claims(aud="another")), None, "invalid_token"),
        (sign(claims(aud=None)), None, "invalid_token"),
        (sign(claims(iss="https://evil.test")), None, "invalid_token"),
        (sign(claims(), rsa_key("stolen"), kid="rsa-1"), None, "invalid_token"),
        (sign(claims(), rsa_key("stolen")), None, "invalid_token"),
        (sign(claims(), kid="ec-1"), None, "invalid_token"),
        (sign(claims(), rsa_key(), "RS512"), None, "invalid_token"),
        (sign(claims(), rsa_key(), "PS256"), None, "invalid_token"),
        (signed_with_a_public_key(claims(), rsa_key()), None, "invalid_token"),
        (unsigned(claims(), {"alg": "none", "kid": "rsa-1"}), None, "invalid_token"),
        (unsigned(claims(), {"alg": "RS256", "kid": "rsa-1"}), None, "invalid_token"),
        (sign(claims(pad="x" * 20_000)), None, "invalid_token"),
        (sign(b"[]"), None, "invalid_token"),
        ("e30.e30.e30", None, "invalid_token"),
        ("a.b.c", None, "invalid_token"),
        (sign(claims(sub="nobody")), None, "unknown_consumer"),
        (sign(claims(**{"kubernetes.io": KUBERNETES})), None, "unknown_consumer"),
        (sign(claims()), "app", "unknown_consumer"),
    ],
    ids=[
        "expired", "no exp", "nbf to come", "another audience", "no audience", "another issuer",
        "another's signature", "unknown kid", "kid of an EC key", "RS512", "PS256",
        "HS256 with the public key", "none", "no signature", "huge", "no object", "empty objects",
        "nonsense", "nobody's claims", "claims of two", "another's user name",
    ],
)  # fmt: skip
async def test_a_bad_token(
    gateway: Running, upstream: RawUpstream, token: str, user: str | None, slug: str
) -> None:
    """401 with a challenge that says what kind of no it is, and nothing of the token."""
    answer = await show(gateway, token, user=user)
    assert (answer.status, answer.slug) == (401, slug)
    if user is None:
        assert answer.value("WWW-Authenticate").startswith('Bearer error="invalid_token"')
    assert not upstream.received
    told = answer.head + answer.body + repr(gateway.log()).encode()
    assert not any(part.encode() in told for part in token.split(".") if len(part) > 8)


async def test_token_and_certificate_must_be_one_consumers(tmp_path: Path, upstream: RawUpstream) -> None:
    """As with keys."""
    servers, clients = Authority(), Authority()
    tls = servers.write_pair(tmp_path) | {
        "client_certificates": "optional",
        "client_ca_file": clients.write_ca(tmp_path / "clients.pem"),
    }
    consumers = CONSUMERS | {"app": consumer(certificates=[{"san": "app.internal"}])}
    data = request(f"GET {MESSAGES}", auth=f"Bearer {sign(claims())}")
    async with (
        key_server(rsa_key()) as server,
        running_gateway(upstream.url, consumers=consumers, tls=tls, jwt=[issuer(server)]) as gateway,
    ):
        for name, status in (("app.internal", 401), ("x.internal", 200)):
            showing = servers.trusting(clients.issue(name))
            assert (await ask(gateway.port, data, tls=showing)).status == status


async def test_keys_are_keys_where_tokens_are_taken(gateway: Running) -> None:
    """The form decides only where no key is known."""
    assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
    assert (await ask(gateway.port, request(f"GET {MESSAGES}", auth=f"Bearer {KEY}"))).status == 200
    assert (
        await ask(gateway.port, request(f"GET {MESSAGES}", auth="Bearer wrong"))
    ).slug == "unknown_consumer"
