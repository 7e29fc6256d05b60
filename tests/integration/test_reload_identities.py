"""SIGHUP to a process on uvloop: certificates, client CAs and who is known by what change at once."""

import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.caller import MESSAGES, RawCaller, ask, raw_caller, request
from tests.support.jwt import AUDIENCE, ISSUER, SUBJECT, claims, key_server, rsa_key, sign
from tests.support.running import Spawned, configuration, consumer, spawned_gateway
from tests.support.tls import Authority, server_certificate
from tests.support.upstream import RawUpstream

DONE = "configuration reloaded"
ANONYMOUS = request(f"GET {MESSAGES}", auth=None)


async def reload(gateway: Spawned, event: str, count: int = 1) -> dict[str, Any]:
    """SIGHUP, and the line that says so for the `count`-th time; a watch of the files may be faster."""

    def told(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [line for line in lines if line["event"] == event]

    gateway.process.send_signal(signal.SIGHUP)
    await gateway.capture.until(lambda lines: len(told(lines)) >= count)
    return told(gateway.capture.lines)[count - 1]


async def answered(caller: RawCaller) -> tuple[int, str]:
    """What a request without a key gets over a connection that is held."""
    await caller.send(ANONYMOUS)
    answer = await caller.answer()
    return answer.status, answer.slug


def mount(
    folder: Path, servers: Authority, clients: Authority, key_of: Authority | None = None
) -> dict[str, str]:
    """Replace all files of `tls` in one step, as Kubernetes does: by a link to another folder."""
    data = Path(tempfile.mkdtemp(dir=folder))
    servers.write_pair(data)
    clients.write_ca(data / "clients.pem")
    if key_of is not None:
        key_of.issue().private_key_pem.write_to_path(data / "tls.key")
    link, fresh = folder / "tls", folder / "tls.new"
    fresh.symlink_to(data)
    fresh.replace(link)
    names = {"cert_file": "tls.crt", "key_file": "tls.key", "client_ca_file": "clients.pem"}
    return {setting: str(link / name) for setting, name in names.items()}


def write(path: Path, upstream: RawUpstream, **settings: Any) -> None:
    """Replace the configuration in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(configuration(upstream.url, log={"format": "json"}, **settings)))
    fresh.replace(path)


async def test_all_of_it(tmp_path: Path, upstream: RawUpstream) -> None:
    """Connections are held all the while; those of replaced client CAs end behind their next answer (B14)."""
    servers, successor, clients, strangers = (Authority() for _ in range(4))
    tls = mount(tmp_path, servers, clients) | {"client_certificates": "optional"}
    known = {"app": consumer(certificates=[{"san": "app.internal"}])}
    leaf = clients.issue("app.internal")
    path = tmp_path / "gateway.yaml"
    async with spawned_gateway(tmp_path, upstream.url, tls=tls, consumers=known) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        async with AsyncExitStack() as stack:
            held = await stack.enter_async_context(raw_caller(port, tls=servers.trusting(leaf)))
            assert await answered(held) == (200, "")
            mount(tmp_path, servers, clients, key_of=successor)
            refused = await reload(gateway, "configuration reload failed")
            assert "tls.key_file" in str(refused)
            assert (await ask(port, ANONYMOUS, tls=servers.trusting(leaf))).status == 200
            mount(tmp_path, successor, strangers)
            await reload(gateway, DONE, 1)
            stranger = strangers.issue("app.internal")
            async with raw_caller(port, tls=successor.trusting(stranger)) as newcomer:
                assert await answered(newcomer) == await answered(held) == (200, "")
                assert server_certificate(newcomer.writer) != server_certificate(held.writer)
                assert await answered(newcomer) == (200, "")
            assert await held.rest() == b""
            held = await stack.enter_async_context(raw_caller(port, tls=successor.trusting(stranger)))
            assert await answered(held) == (200, "")
            with pytest.raises((OSError, EOFError)):
                await ask(port, ANONYMOUS, tls=successor.trusting(leaf))
            async with key_server(rsa_key()) as issuing:
                issuer = {"name": "i", "issuer": ISSUER, "audience": AUDIENCE, "jwks_url": issuing.url}
                by_token = {"app": consumer(jwt=[{"issuer": "i", "claims": {"sub": SUBJECT}}])}
                write(path, upstream, tls=tls, consumers=by_token, jwt=[issuer])
                await reload(gateway, DONE, 2)
                shown = request(f"GET {MESSAGES}", auth=f"Bearer {sign(claims())}")
                assert (await ask(port, shown, tls=successor.trusting())).status == 200
            assert await answered(held) == (401, "unknown_consumer")  # its name is no longer anybody's
            write(path, upstream, tls=tls, consumers=known)
            await reload(gateway, DONE, 3)
            assert (await ask(port, shown, tls=successor.trusting())).slug == "unknown_consumer"
            assert await answered(held) == (200, "")
