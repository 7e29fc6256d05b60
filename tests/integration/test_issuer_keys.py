"""The keys of issuers of JWTs: rotated, withdrawn, away, behind TLS, in a file."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.caller import MESSAGES, ask, raw_caller, request
from tests.support.issuing import CONSUMERS, issuer, show
from tests.support.jwt import (
    AUDIENCE,
    ISSUER,
    KeyServer,
    claims,
    jwks,
    key_server,
    rsa_key,
    sign,
)
from tests.support.running import Running, running_gateway
from tests.support.tls import Authority
from tests.support.upstream import RawUpstream


@pytest.fixture
async def gateway(upstream: RawUpstream, issuing: KeyServer) -> AsyncIterator[Running]:
    """It trusts the issuer."""
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(issuing)]) as gateway:
        yield gateway


async def test_b13_a_new_key_is_found_at_once_and_unknown_ones_have_an_allowance(
    gateway: Running, issuing: KeyServer
) -> None:
    """Rotation: its first token is good. Made-up key ids cost it a few requests, then 503 says to wait."""
    assert (await show(gateway, sign(claims()))).status == 200
    issuing.document = jwks(rsa_key(), rsa_key("rsa-2"))
    fresh = [show(gateway, sign(claims(jti=str(number)), rsa_key("rsa-2"))) for number in range(5)]
    assert [answer.status for answer in await asyncio.gather(*fresh)] == [200] * 5
    assert len(issuing.asked) == 2
    made_up = [sign(claims(), rsa_key("stolen"), kid=f"made-up-{number}") for number in range(10)]
    answers = [await show(gateway, token) for token in made_up]
    assert [answer.slug for answer in answers] == ["invalid_token"] * 3 + ["issuer_unavailable"] * 7
    assert len(issuing.asked) == 5
    assert all(1 <= int(answer.value("Retry-After")) <= 10 for answer in answers[3:])
    issuing.document = jwks(rsa_key(), rsa_key("rsa-2"), rsa_key("rsa-3"))
    owed = await show(gateway, sign(claims(), rsa_key("rsa-3")))
    assert (owed.status, owed.slug) == (503, "issuer_unavailable")
    assert (await show(gateway, sign(claims(jti="known"), rsa_key("rsa-2")))).status == 200


async def test_b13_tokens_without_a_key_id_survive_a_rotation(gateway: Running, issuing: KeyServer) -> None:
    """The new key's first token is good. Others' cost the allowance, then 503 says to wait, until a fetch."""
    assert (await show(gateway, sign(claims(), kid=None))).status == 200
    issuing.document = jwks(rsa_key("rsa-2"))
    fresh = [show(gateway, sign(claims(jti=str(number)), rsa_key("rsa-2"), kid=None)) for number in range(5)]
    assert [answer.status for answer in await asyncio.gather(*fresh)] == [200] * 5
    stolen = [sign(claims(jti=str(number)), rsa_key("stolen"), kid=None) for number in range(6)]
    answers = [await show(gateway, token) for token in stolen]
    assert [answer.slug for answer in answers] == ["invalid_token"] * 3 + ["issuer_unavailable"] * 3
    issuing.document = jwks(rsa_key("rsa-3"))
    owed = await show(gateway, sign(claims(), rsa_key("rsa-3"), kid=None))
    assert (owed.status, owed.slug) == (503, "issuer_unavailable")
    assert 1 <= int(owed.value("Retry-After")) <= 10
    assert (await show(gateway, sign(claims(jti="known"), rsa_key("rsa-2"), kid=None))).status == 200


async def test_b13_a_key_that_is_replaced_under_its_id(gateway: Running, issuing: KeyServer) -> None:
    """The new key is found at once. A forged token is refused for good, whatever the allowance is."""
    assert (await show(gateway, sign(claims()))).status == 200
    issuing.document = jwks(rsa_key("rsa-1", "another"))
    assert (await show(gateway, sign(claims(jti="new"), rsa_key("rsa-1", "another")))).status == 200
    forged = [sign(claims(jti=str(number)), rsa_key("stolen"), kid="rsa-1") for number in range(8)]
    assert {(await show(gateway, token)).slug for token in forged} == {"invalid_token"}


async def test_c12_a_reload_of_an_issuer_answers_those_who_wait_for_its_keys(
    upstream: RawUpstream, issuing: KeyServer
) -> None:
    """Its entry changes while the first fetch is under way: 503, and then the new source serves."""
    issuing.gate.clear()
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(issuing)]) as gateway:
        waiting = [asyncio.create_task(show(gateway, sign(claims(jti=str(number))))) for number in range(3)]
        await issuing.was_asked()
        await gateway.gateway.components.keys.configure({})
        answers = await asyncio.gather(*waiting)
        assert {(answer.status, answer.slug) for answer in answers} == {(503, "issuer_unavailable")}
        assert all(int(answer.value("Retry-After")) >= 1 for answer in answers)
        issuing.gate.set()


async def test_a_withdrawn_key_ends_the_tokens_that_were_verified_with_it(
    gateway: Running, issuing: KeyServer
) -> None:
    """Also those that are remembered."""
    token = sign(claims())
    assert (await show(gateway, token)).status == 200
    issuing.document = jwks(rsa_key("rsa-2"))
    assert (await show(gateway, sign(claims(), rsa_key("rsa-2")))).status == 200
    assert (await show(gateway, token)).slug == "invalid_token"


async def test_an_issuer_that_is_away(gateway: Running, issuing: KeyServer) -> None:
    """What was fetched stays good; of a key that might be new, nothing can be said."""
    assert (await show(gateway, sign(claims()))).status == 200
    issuing.status = 503
    unknown = await show(gateway, sign(claims(), rsa_key("rsa-2")))
    assert (unknown.status, unknown.slug) == (503, "issuer_unavailable")
    assert unknown.value("Retry-After") == "5"
    assert (await show(gateway, sign(claims(jti="2")))).status == 200
    await gateway.capture.until(lambda lines: any(line["event"] == "issuer unavailable" for line in lines))
    away = [line for line in gateway.log() if line["event"] == "issuer unavailable"]
    assert [(line["issuer"], line["reason"]) for line in away] == [("cluster", "answered 503")]
    port = int(gateway.admin_url.rpartition(":")[2])
    metrics = (await ask(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")).body
    assert b'gateway_issuer_fetch_failures_total{issuer="cluster"} 1.0' in metrics
    assert b'gateway_issuer_keys_age_seconds{issuer="cluster"}' in metrics


async def test_an_issuer_that_was_never_there(upstream: RawUpstream, issuing: KeyServer) -> None:
    """The gateway starts, keys work, and tokens do as soon as the issuer is there."""
    issuing.status = 500
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(issuing)]) as gateway:
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
        assert (await show(gateway, sign(claims()))).slug == "issuer_unavailable"
        issuing.status = 200
        await gateway.capture.until(lambda lines: any(line["event"] == "issuer available" for line in lines))
        assert (await show(gateway, sign(claims()))).status == 200


async def test_as_the_api_server_of_kubernetes_has_it(tmp_path: Path, upstream: RawUpstream) -> None:
    """HTTPS by a CA of its own, and a bearer token that is read anew for each fetch."""
    authority = Authority()
    context = authority.serving()
    token_file = tmp_path / "token"
    token_file.write_text("first-token\n")
    trust = {"ca_file": authority.write_ca(tmp_path / "ca.crt"), "token_file": str(token_file)}
    async with (
        key_server(rsa_key(), tls=context) as server,
        running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(server, **trust)]) as gateway,
    ):
        assert (await show(gateway, sign(claims()))).status == 200
        token_file.write_text("second-token\n")
        server.document = jwks(rsa_key("rsa-2"))
        assert (await show(gateway, sign(claims(), rsa_key("rsa-2")))).status == 200
        assert server.asked == ["Bearer first-token", "Bearer second-token"]
        assert "second-token" not in repr(gateway.log())


async def test_an_issuer_with_a_certificate_that_nobody_vouches_for(upstream: RawUpstream) -> None:
    """Its keys are not taken."""
    async with (
        key_server(rsa_key(), tls=Authority().serving()) as server,
        running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(server)]) as gateway,
    ):
        assert (await show(gateway, sign(claims()))).slug == "issuer_unavailable"
        assert server.asked == []


async def test_b10_an_issuer_whose_certificate_has_no_alternative_name(
    tmp_path: Path, upstream: RawUpstream
) -> None:
    """Its keys decide who calls: a CN is no name there either."""
    authority = Authority()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_without_names("localhost").configure_cert(serving)
    trust = {"ca_file": authority.write_ca(tmp_path / "ca.crt")}
    async with key_server(rsa_key(), tls=serving) as server:
        entry = issuer(server, **trust)
        entry["jwks_url"] = entry["jwks_url"].replace("127.0.0.1", "localhost")
        async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[entry]) as gateway:
            assert (await show(gateway, sign(claims()))).slug == "issuer_unavailable"
    assert server.asked == []


async def test_keys_of_a_file_without_an_issuer_to_ask(tmp_path: Path, upstream: RawUpstream) -> None:
    """For issuers that cannot be reached from here."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(jwks(rsa_key()))
    entry = {"name": "cluster", "issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(keys)}
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[entry]) as gateway:
        assert (await show(gateway, sign(claims()))).status == 200
        assert (await show(gateway, sign(claims(), rsa_key("rsa-2")))).slug == "invalid_token"


async def test_a_caller_who_leaves_does_not_end_the_fetch_for_others(
    upstream: RawUpstream, issuing: KeyServer
) -> None:
    """Both wait for the same keys; one goes."""
    issuing.gate.clear()
    async with running_gateway(upstream.url, consumers=CONSUMERS, jwt=[issuer(issuing)]) as gateway:
        data = request(f"GET {MESSAGES}", auth=f"Bearer {sign(claims())}")
        async with raw_caller(gateway.port) as stays:
            await stays.send(data)
            async with raw_caller(gateway.port) as leaves:
                await leaves.send(data)
                await issuing.was_asked()
                leaves.hang_up()
            await gateway.exchange_logged(1)
            issuing.gate.set()
            assert (await stays.answer()).status == 200
        assert len(issuing.asked) == 1
