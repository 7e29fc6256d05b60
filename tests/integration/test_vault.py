"""Secrets from a server that speaks Vault's protocol: logging in, reading, and all that can go wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.secret_stores.secret_cache import SecretCache
from tests.support.remote_secrets import Clock, complaint_of, secret_of, write_configuration
from tests.support.running import ENVIRON
from tests.support.vault import JWT, ROLE, STATIC_TOKEN, VaultPeer, vault_peer

REFERENCE = {"vault": "twilio/main#api_secret"}
CANARY = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa"
WITH_TOKEN = {**ENVIRON, "VAULT_TOKEN": STATIC_TOKEN}
WHERE = "credentials.main.keys.0.secret: vault:twilio/main#api_secret was not read: "


@pytest.fixture
async def vault() -> AsyncIterator[VaultPeer]:
    """Has the secret."""
    async with vault_peer() as peer:
        peer.put("twilio/main", api_secret=CANARY, api_key="SK1")
        yield peer


def settings(vault: VaultPeer, **more: Any) -> dict[str, Any]:
    """The section of a Vault with token."""
    return {"address": vault.url, "token": {"env": "VAULT_TOKEN"}, **more}


def kubernetes(vault: VaultPeer, folder: Path, role: str = ROLE) -> dict[str, Any]:
    """The section of a Vault that a pod logs in to."""
    (folder / "jwt").write_text(JWT)
    return {"address": vault.url, "kubernetes": {"role": role, "jwt_file": "jwt"}}


async def test_a_token(vault: VaultPeer, tmp_path: Path) -> None:
    path = write_configuration(tmp_path, REFERENCE, vault=settings(vault))
    assert await secret_of(path, environ=WITH_TOKEN) == CANARY


async def test_a_mount_and_a_namespace(vault: VaultPeer, tmp_path: Path) -> None:
    vault.mount, vault.namespace = "kv-payments", "eu/payments"
    more = {"mount": vault.mount, "namespace": vault.namespace}
    path = write_configuration(tmp_path, REFERENCE, vault=settings(vault, **more))
    assert await secret_of(path, environ=WITH_TOKEN) == CANARY


async def test_a_certificate_of_a_private_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with vault_peer(context) as vault:
        vault.put("twilio/main", api_secret=CANARY)
        path = write_configuration(tmp_path, REFERENCE, vault=settings(vault, ca_file="ca.pem"))
        assert await secret_of(path, environ=WITH_TOKEN) == CANARY
        path = write_configuration(tmp_path, REFERENCE, vault=settings(vault))
        line = await complaint_of(path, environ=WITH_TOKEN)
        assert f"{WHERE}Vault at {vault.url} gave no answer (ClientConnectorCertificateError)" in line
        path = write_configuration(tmp_path, REFERENCE, vault=settings(vault, ca_file="none.pem"))
        line = await complaint_of(path, environ=WITH_TOKEN)
        assert f"{WHERE}the certificates in none.pem cannot be read (No such file" in line


async def test_values_of_one_secret_are_read_at_once(vault: VaultPeer, tmp_path: Path) -> None:
    """So that a SID and a secret that were changed together are seen together."""
    path = write_configuration(tmp_path, REFERENCE, vault=settings(vault))
    text = path.read_text().replace("env: TWILIO_API_KEY", "vault: twilio/main#api_key")
    path.write_text(text)
    vault.put("twilio/main", api_secret=CANARY, api_key="SK" + "1b" * 16)
    assert await secret_of(path, environ=WITH_TOKEN) == CANARY
    assert vault.reads == ["twilio/main"]


async def test_kubernetes(vault: VaultPeer, tmp_path: Path) -> None:
    """One login serves round after round; the service account's token is read anew for each login."""
    path = write_configuration(tmp_path, REFERENCE, vault=kubernetes(vault, tmp_path))
    remote = SecretCache()
    assert await secret_of(path, remote) == CANARY
    assert not await asyncio.to_thread(remote.refresh)
    assert vault.logins == 1
    vault.tokens.clear()  # revoked
    vault.jwt = JWT + "2"
    (tmp_path / "jwt").write_text(vault.jwt)
    assert not await asyncio.to_thread(remote.refresh)
    assert (vault.logins, remote.failures()) == (2, {})


async def test_a_login_is_repeated_before_it_ends(vault: VaultPeer, tmp_path: Path) -> None:
    clock = Clock()
    remote = SecretCache(clock)
    vault.lease_seconds = 100
    await secret_of(write_configuration(tmp_path, REFERENCE, vault=kubernetes(vault, tmp_path)), remote)
    for seconds, logins in ((80, 1), (15, 2), (80, 2)):
        clock.now += seconds
        assert not await asyncio.to_thread(remote.refresh)
        assert vault.logins == logins
    assert remote.failures() == {}


async def test_a_token_that_an_agent_replaces(vault: VaultPeer, tmp_path: Path) -> None:
    """`token: {file:}` is read again when Vault does not take it any more."""
    (tmp_path / "token").write_text(STATIC_TOKEN)
    remote = SecretCache()
    section = {"address": vault.url, "token": {"file": "token"}}
    await secret_of(write_configuration(tmp_path, REFERENCE, vault=section), remote)
    vault.tokens = {"hvs.next"}
    await asyncio.to_thread(remote.refresh)
    assert remote.failures() == {"vault:twilio/main#api_secret": "Vault answered 403"}
    (tmp_path / "token").write_text("hvs.next\n")
    await asyncio.to_thread(remote.refresh)
    assert remote.failures() == {}


ANSWERS = [
    pytest.param(b"no JSON " + CANARY.encode(), "Vault's answer is not that of a key/value", id="text"),
    pytest.param(b"", "Vault's answer is not that of a key/value engine, version 2; is the", id="nothing"),
    pytest.param(b'{"data": {"api_secret": "v1"}}', "Vault's answer is not that of", id="version_1"),
    pytest.param(b'{"data": {"data": [], "metadata": {}}}', "Vault's answer is not that of", id="list"),
    pytest.param(b"[" * 100_000, "Vault's answer is not that of a key/value engine", id="deep"),
    pytest.param(b" " * 2_000_000, "Vault's answer is too large; is its address right?", id="endless"),
    pytest.param(
        b'{"data": {"data": {"api_secret": 7}, "metadata": {}}}', "its value is not text", id="number"
    ),
    pytest.param(
        b'{"data": {"data": {"Api_secret": "x"}, "metadata": {}}}', "it has no value by this key", id="key"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), ANSWERS)
async def test_answers_that_are_no_secret(
    vault: VaultPeer, tmp_path: Path, raw: bytes, expected: str
) -> None:
    vault.raw = raw
    line = await complaint_of(
        write_configuration(tmp_path, REFERENCE, vault=settings(vault)), environ=WITH_TOKEN
    )
    assert f"{WHERE}{expected}" in line
    assert CANARY not in line


@pytest.mark.parametrize(
    ("value", "expected"), [("", "is empty"), ("a\nb", "has a line break"), ("a ", "has a space")]
)
async def test_values_that_are_no_secret(vault: VaultPeer, tmp_path: Path, value: str, expected: str) -> None:
    vault.put("twilio/main", api_secret=value)
    line = await complaint_of(
        write_configuration(tmp_path, REFERENCE, vault=settings(vault)), environ=WITH_TOKEN
    )
    assert f"secret: vault:twilio/main#api_secret {expected}" in line


async def test_what_vault_refuses(vault: VaultPeer, tmp_path: Path) -> None:
    path = write_configuration(tmp_path, REFERENCE, vault=settings(vault))
    line = await complaint_of(path, environ={**ENVIRON, "VAULT_TOKEN": CANARY})
    assert line.endswith(
        f"{WHERE}Vault answered 403; its token needs a policy with: "
        'path "secret/data/twilio/main" { capabilities = ["read"] }'
    )
    vault.denied = {"twilio/main"}
    assert f"{WHERE}Vault answered 403; " in await complaint_of(path, environ=WITH_TOKEN)
    vault.denied = set()
    vault.put("twilio/main")
    assert f"{WHERE}Vault answered 404; is it there, " in await complaint_of(path, environ=WITH_TOKEN)
    vault.sealed = True
    assert f"{WHERE}Vault answered 503; it is sealed" in await complaint_of(path, environ=WITH_TOKEN)


async def test_a_login_that_vault_refuses(vault: VaultPeer, tmp_path: Path) -> None:
    path = write_configuration(tmp_path, REFERENCE, vault=kubernetes(vault, tmp_path, role="other"))
    line = await complaint_of(path)
    assert f"{WHERE}Vault answered 400 to the login at auth/kubernetes; check its role other" in line
    path = write_configuration(tmp_path, REFERENCE, vault=kubernetes(vault, tmp_path))
    (tmp_path / "jwt").write_text(CANARY)
    line = await complaint_of(path)
    assert f"{WHERE}Vault answered 403 to the login at auth/kubernetes" in line
    (tmp_path / "jwt").unlink()
    assert f"{WHERE}the file jwt cannot be read" in await complaint_of(path)


async def test_a_token_that_is_not_there(vault: VaultPeer, tmp_path: Path) -> None:
    line = await complaint_of(write_configuration(tmp_path, REFERENCE, vault=settings(vault)))
    assert f"{WHERE}the environment variable VAULT_TOKEN is not set; set VAULT_TOKEN and" in line


async def test_away_or_silent_at_the_start(vault: VaultPeer, tmp_path: Path) -> None:
    vault.silent = True
    path = write_configuration(tmp_path, REFERENCE, vault=settings(vault), timeout_seconds=0.2)
    line = await complaint_of(path, environ=WITH_TOKEN)
    assert f"{WHERE}no answer within 0.2 s; see whether the store can be reached" in line
    away = settings(vault, address="http://127.0.0.1:1")
    line = await complaint_of(write_configuration(tmp_path, REFERENCE, vault=away), environ=WITH_TOKEN)
    assert f"{WHERE}Vault at http://127.0.0.1:1 gave no answer (ClientConnectorError); correct" in line


async def test_without_its_section(tmp_path: Path) -> None:
    line = await complaint_of(write_configuration(tmp_path, REFERENCE))
    assert f"{WHERE}the file has no `secret_stores.vault`; add `secret_stores: {{vault: {{addr" in line
