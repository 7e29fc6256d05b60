"""A running gateway whose Twilio key is in Vault: the key is rotated there, and used without a restart."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.caller import MESSAGES, ask, request
from tests.support.running import ENVIRON, Spawned, spawned_gateway
from tests.support.upstream import RawUpstream
from tests.support.vault import STATIC_TOKEN, VaultPeer, vault_peer

FIRST = ("SK" + "1a" * 16, "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa")
SECOND = ("SK" + "2b" * 16, "c4nary0f16bbbbbbbbbbbbbbbbbbbbbbb")
NAME = "vault:twilio/main#api_secret"


def put(vault: VaultPeer, key: tuple[str, str]) -> None:
    """A new version with both values."""
    vault.put("twilio/main", api_key=key[0], api_secret=key[1])


def settings(vault: VaultPeer) -> dict[str, Any]:
    """A credential whose key is in `vault`, which is asked every second."""
    key = {"sid": {"vault": "twilio/main#api_key"}, "secret": {"vault": "twilio/main#api_secret"}}
    section = {"address": vault.url, "token": {"env": "VAULT_TOKEN"}}
    return {
        "credentials": {"main": {"account_sid": {"env": "TWILIO_ACCOUNT_SID"}, "keys": [key]}},
        "secret_stores": {"refresh_seconds": 1, "vault": section},
    }


async def key_used(gateway: Spawned, upstream: RawUpstream) -> tuple[str, str]:
    """SID and secret that the next request reaches Twilio with."""
    port = int(gateway.url.rpartition(":")[2])
    assert (await ask(port, request(f"GET {MESSAGES}"))).status == 200
    (authorization,) = upstream.received[-1].values("Authorization")
    sid, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    return sid, secret


def event(name: str, **fields: str) -> Callable[[list[dict[str, Any]]], bool]:
    """Whether such a line is in the log."""

    def met(lines: list[dict[str, Any]]) -> bool:
        return any(line["event"] == name and fields.items() <= line.items() for line in lines)

    return met


async def ready(gateway: Spawned) -> dict[str, Any]:
    """What /readyz says."""
    port = int(gateway.admin_url.rpartition(":")[2])
    answer = await ask(port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.status == 200
    return dict(json.loads(answer.body))


async def test_a_key_that_is_rotated_in_vault(tmp_path: Path, upstream: RawUpstream) -> None:
    """Both values at once; then Vault is away, and nobody who sends a message notices."""
    async with vault_peer() as vault:
        put(vault, FIRST)
        environ = {**ENVIRON, "VAULT_TOKEN": STATIC_TOKEN}
        async with spawned_gateway(tmp_path, upstream.url, environ, **settings(vault)) as gateway:
            assert await key_used(gateway, upstream) == FIRST
            put(vault, SECOND)
            await gateway.capture.until(event("secret rotated", secret=NAME))
            await gateway.capture.until(event("configuration reloaded", reason="secret store"))
            assert await key_used(gateway, upstream) == SECOND
            vault.sealed = True
            await gateway.capture.until(
                event("secret refresh failed, using the last known value", secret=NAME)
            )
            assert await key_used(gateway, upstream) == SECOND
            assert f"{NAME} not confirmed: Vault answered 503" in str((await ready(gateway))["why"])
            vault.sealed = False
            await gateway.capture.until(event("secret confirmed", secret=NAME))
            assert NAME not in str((await ready(gateway))["why"])
        said = str(gateway.capture.lines)
        assert not [secret for _, secret in (FIRST, SECOND) if secret in said]
        assert STATIC_TOKEN not in said
