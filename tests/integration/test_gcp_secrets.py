"""Secrets from a server that speaks Google's protocol, with tokens that google-auth gets from it."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.secret_stores.secret_cache import SecretCache
from tests.support.gcp import PROJECT, GcpPeer, gcp_peer
from tests.support.remote_secrets import SecretEvents, complaint_of, load, secret_of, write_configuration
from tests.support.running import ENVIRON

CANARY, SECOND = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa", "c4nary0f16bbbbbbbbbbbbbbbbbbbbbbb"
WHERE = "credentials.main.keys.0.secret: gcp:twilio-main was not read: "


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the test."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)


@pytest.fixture
async def gcp() -> AsyncIterator[GcpPeer]:
    """Has the secret."""
    async with gcp_peer() as peer:
        peer.put("twilio-main", CANARY.encode())
        yield peer


def write(folder: Path, gcp: GcpPeer, name: str = "twilio-main", **more: Any) -> Path:
    """A configuration whose key is in `gcp`."""
    section = {"endpoint": gcp.url, "credentials_file": gcp.write_key_file(folder)}
    seconds = more.pop("timeout_seconds", 30)
    return write_configuration(folder, {"gcp": name}, gcp={**section, **more}, timeout_seconds=seconds)


async def test_a_service_account(gcp: GcpPeer, tmp_path: Path) -> None:
    """The project is that of the key file."""
    assert await secret_of(write(tmp_path, gcp)) == CANARY


async def test_names(gcp: GcpPeer, tmp_path: Path) -> None:
    gcp.put("twilio-main", SECOND.encode())
    gcp.put("twilio-main", b"elsewhere\n", project="other-2")
    gcp.put("twilio-json", json.dumps({"api_secret": "of-json"}).encode())
    expected = {
        "twilio-main": SECOND,
        "twilio-main/versions/1": CANARY,
        f"projects/{PROJECT}/secrets/twilio-main/versions/1": CANARY,
        "projects/other-2/secrets/twilio-main": "elsewhere",
        "twilio-json#api_secret": "of-json",
    }
    for name, value in expected.items():
        assert await secret_of(write(tmp_path, gcp, name)) == value
    assert await secret_of(write(tmp_path, gcp, project="other-2")) == "elsewhere"


async def test_application_default_credentials(
    gcp: GcpPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key file named by the environment."""
    path = write(tmp_path, gcp, credentials_file=None)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "service-account.json"))
    assert await secret_of(path) == CANARY


async def test_a_pod_at_google(gcp: GcpPeer, tmp_path: Path) -> None:
    """The metadata server says who we are. (google-auth reads its address when imported: a new process.)"""
    path = write(tmp_path, gcp, credentials_file=None)
    address = gcp.url.removeprefix("http://")
    environ = {**os.environ, **ENVIRON, "GCE_METADATA_HOST": address, "GCE_METADATA_IP": address}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "check", "--config", str(path),
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 180)
    assert said.decode().startswith(f"{path}: ok")
    assert gcp.logins == 1


async def test_a_token_serves_until_it_is_refused(gcp: GcpPeer, tmp_path: Path) -> None:
    remote, events = SecretCache(), SecretEvents()
    remote.start(lambda: None, events)
    path = write(tmp_path, gcp)
    await load(path, remote)
    assert not await asyncio.to_thread(remote.refresh)
    assert gcp.logins == 1
    gcp.tokens.clear()
    gcp.put("twilio-main", SECOND.encode())
    assert await asyncio.to_thread(remote.refresh)
    assert gcp.logins == 2
    assert events.told == [("rotated", "gcp:twilio-main", "")]
    remote.close()


async def test_what_google_refuses(gcp: GcpPeer, tmp_path: Path) -> None:
    line = await complaint_of(write(tmp_path, gcp, "none"))
    assert "gcp:none was not read: Google answered 404; is it there, and is the version enabled?" in line
    gcp.disabled = {f"projects/{PROJECT}/secrets/twilio-main/versions/1"}
    assert f"{WHERE}Google answered 400; is the version enabled?" in await complaint_of(write(tmp_path, gcp))
    gcp.allowed = False
    line = await complaint_of(write(tmp_path, gcp))
    assert f"{WHERE}Google answered 403; grant roles/secretmanager.secretAccessor on this" in line
    gcp.down = 503
    line = await complaint_of(write(tmp_path, gcp))
    assert f"{WHERE}Google answered 503; see https://status.cloud.google.com" in line
    gcp.down = 401
    assert f"{WHERE}Google answered 401; are these credentials" in await complaint_of(write(tmp_path, gcp))


async def test_a_service_account_that_google_does_not_know(gcp: GcpPeer, tmp_path: Path) -> None:
    """The token service's answer quotes our assertion: nothing of it is shown."""
    gcp.known = False
    line = await complaint_of(write(tmp_path, gcp))
    expected = "google-auth cannot prove who we are (RefreshError, the token service answered 400); set"
    assert f"{WHERE}{expected}" in line
    assert "eyJ" not in line


@pytest.mark.parametrize("content", ["", "{}", '{"type": "service_account"}', "no JSON c4nary0f16aaa"])
async def test_a_key_file_that_is_none(gcp: GcpPeer, tmp_path: Path, content: str) -> None:
    path = write(tmp_path, gcp)
    (tmp_path / "service-account.json").write_text(content)
    line = await complaint_of(path)
    assert f"{WHERE}google-auth cannot prove who we are (" in line
    assert "c4nary" not in line


async def test_a_key_that_is_none(gcp: GcpPeer, tmp_path: Path) -> None:
    path = write(tmp_path, gcp)
    file = tmp_path / "service-account.json"
    document = json.loads(file.read_text()) | {"private_key": f"-----BEGIN {CANARY}"}
    file.write_text(json.dumps(document))
    line = await complaint_of(path)
    assert f"{WHERE}google-auth cannot prove who we are (" in line
    assert CANARY not in line


async def test_nobody(gcp: GcpPeer, tmp_path: Path) -> None:
    """No key file, no environment, no metadata server."""
    line = await complaint_of(write(tmp_path, gcp, credentials_file=None))
    assert f"{WHERE}google-auth cannot prove who we are (DefaultCredentialsError); set" in line


ANSWERS = {
    "text": b"no JSON " + CANARY.encode(),
    "nothing": b"{}",
    "list": b"[]",
    "number": b'{"payload": {"data": 7}}',
    "no_base64": b'{"payload": {"data": "%s%%"}}' % CANARY.encode(),
    "no_text": b'{"payload": {"data": "%s"}}' % base64.b64encode(b"\xff\xfe"),
}


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS)
async def test_answers_that_are_no_secret(gcp: GcpPeer, tmp_path: Path, raw: bytes) -> None:
    gcp.raw = raw
    line = await complaint_of(write(tmp_path, gcp))
    assert f"{WHERE}Google's answer has no text in it; is `secret_stores.gcp.endpoint` right?" in line
    assert CANARY not in line


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'"c4nary0f16"', b'{"access_token": 7}'])
async def test_answers_that_are_no_token(gcp: GcpPeer, tmp_path: Path, raw: bytes) -> None:
    gcp.raw_token = raw
    line = await complaint_of(write(tmp_path, gcp))
    assert f"{WHERE}google-auth cannot prove who we are (" in line
    assert "c4nary" not in line


async def test_away_or_silent(gcp: GcpPeer, tmp_path: Path) -> None:
    line = await complaint_of(write(tmp_path, gcp, endpoint="http://127.0.0.1:1"))
    assert f"{WHERE}Google at http://127.0.0.1:1 gave no answer (ClientConnectorError); correct" in line
    gcp.silent = True
    line = await complaint_of(write(tmp_path, gcp, timeout_seconds=1))
    assert f"{WHERE}no answer within 1 s; see whether the store can be reached" in line


async def test_the_token_service_is_away(gcp: GcpPeer, tmp_path: Path) -> None:
    path = write(tmp_path, gcp)
    file = tmp_path / "service-account.json"
    file.write_text(file.read_text().replace(gcp.url, "http://127.0.0.1:1"))
    line = await complaint_of(path)
    assert f"{WHERE}google-auth cannot prove who we are (TransportError); set" in line


async def test_without_google_auth(gcp: GcpPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth.exceptions", None)
    line = await complaint_of(write(tmp_path, gcp))
    assert f"{WHERE}google-auth is not installed; pip install 'twilio-gateway[gcp]'" in line
