"""TLS on the data port over real sockets: versions, client certificates, new files under held connections."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import ENVIRON, Running, configuration, running_gateway, spawned_gateway
from tests.support.tls import PAST, Authority, connect, server_certificate
from tests.support.upstream import RawUpstream, reply

JSON = ("Content-Type: application/json",)
REFUSED = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)
"""What a caller sees of a handshake that the gateway breaks off: asyncio does not send the alert."""
GET = request(f"GET {MESSAGES}")


@pytest.fixture
def authority() -> Authority:
    """Issues what the gateway shows."""
    return Authority()


async def reload(gateway: Running, folder: Path, upstream: str, settings: dict[str, Any]) -> None:
    """What a reload does: the files as they are now, or an error and nothing changed."""
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream, tls=settings)))
    await gateway.gateway.apply(make_configuration(load_resolved(config, ENVIRON)))


def handshake_failed(lines: list[dict[str, Any]]) -> bool:
    """Whether the log says so."""
    return any(line["event"] == "tls handshake failed" for line in lines)


async def test_https_with_links_that_lead_back(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """The scheme of links is https, HTTP/1.1 is agreed on, and the address says so."""
    upstream.then(
        reply(b'{"meta": {"next_page_url": "https://verify.twilio.com/v2/Services?Page=1"}}', fields=JSON)
    )
    async with running_gateway(upstream.url, tls=authority.write_pair(tmp_path)) as gateway:
        assert gateway.url.startswith("https://127.0.0.1:")
        async with raw_caller(gateway.port, tls=authority.trusting()) as caller:
            await caller.send(request("GET /verify/v2/Services"))
            answer = await caller.answer()
            protocol = caller.writer.get_extra_info("ssl_object").selected_alpn_protocol()
            await caller.send(request(f"POST {MESSAGES}", FORM, body=b"To=1" * 50_000))
            assert (await caller.answer()).status == 200
        assert protocol == "http/1.1"
        assert b'"https://gateway.test/verify/v2/Services?Page=1"' in answer.body
        assert len(upstream.received[-1].body) == 200_000


async def test_public_url_is_stronger_than_the_scheme(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """Behind a balancer callers see another address."""
    upstream.then(reply(b'{"url": "https://verify.twilio.com/v2/Services/VA1"}', fields=JSON))
    public_url = "http://twilio.internal/base"
    async with running_gateway(
        upstream.url, tls=authority.write_pair(tmp_path), public_url=public_url
    ) as gateway:
        answer = await ask(gateway.port, request("GET /verify/v2/Services/VA1"), tls=authority.trusting())
        assert b'"http://twilio.internal/base/verify/v2/Services/VA1"' in answer.body


async def test_new_files_under_held_connections(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """An open connection goes on; a new one sees the new certificate, of another CA."""
    settings = authority.write_pair(tmp_path)
    async with (
        running_gateway(upstream.url, tls=settings) as gateway,
        raw_caller(gateway.port, tls=authority.trusting()) as held,
    ):
        await held.send(GET)
        assert (await held.answer()).status == 200
        successor = Authority()
        successor.write_pair(tmp_path)
        await reload(gateway, tmp_path, upstream.url, settings)
        await held.send(GET)
        assert (await held.answer()).status == 200
        async with raw_caller(gateway.port, tls=successor.trusting()) as newcomer:
            await newcomer.send(GET)
            assert (await newcomer.answer()).status == 200
            assert server_certificate(newcomer.writer) != server_certificate(held.writer)
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(gateway.port, GET, tls=authority.trusting())


@pytest.mark.parametrize("broken", ["key", "certificate"])
async def test_a_bad_pair_changes_nothing(
    tmp_path: Path, upstream: RawUpstream, authority: Authority, broken: str
) -> None:
    """Half of a new pair, as while files are being copied: the old one stays in force."""
    settings = authority.write_pair(tmp_path)
    async with running_gateway(upstream.url, tls=settings) as gateway:
        other = authority.issue()
        if broken == "key":
            other.private_key_pem.write_to_path(settings["key_file"])
        else:
            other.cert_chain_pems[0].write_to_path(settings["cert_file"])
        with pytest.raises(ConfigError, match=r"tls\.key_file: .*key values mismatch"):
            await reload(gateway, tmp_path, upstream.url, settings)
        assert (await ask(gateway.port, GET, tls=authority.trusting())).status == 200


async def test_an_expired_certificate_of_ours_is_the_callers_to_refuse(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """The gateway runs with it, and says when it ended; the handshake that failed is logged and counted."""
    async with running_gateway(upstream.url, tls=authority.write_pair(tmp_path, expires=PAST)) as gateway:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await asyncio.to_thread(connect, gateway.port, GET, authority.trusting())
        await gateway.capture.until(handshake_failed)
        assert gateway.log()[-1]["reason"] == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
        port = int(gateway.admin_url.rpartition(":")[2])
        metrics = (await ask(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")).body
        assert b"gateway_tls_certificate_expires_timestamp_seconds 1.5778368e+09" in metrics
        labels = b'{listener="data",reason="SSLV3_ALERT_CERTIFICATE_EXPIRED"}'
        assert b"gateway_tls_handshake_failures_total" + labels + b" 1.0" in metrics


def client_settings(folder: Path, authority: Authority, clients: Authority, demand: str) -> dict[str, Any]:
    """`tls` with client certificates."""
    ca_file = clients.write_ca(folder / "clients.pem")
    return authority.write_pair(folder) | {"client_certificates": demand, "client_ca_file": ca_file}


@pytest.mark.parametrize(
    ("demand", "shown", "status"),
    [
        ("none", "nothing", 200), ("none", "another CA's", 200),
        ("optional", "nothing", 200), ("optional", "good", 200),
        ("optional", "another CA's", 0), ("optional", "expired", 0),
        ("required", "nothing", 0), ("required", "good", 200),
        ("required", "another CA's", 0), ("required", "expired", 0),
    ],
)  # fmt: skip
async def test_client_certificates(
    tmp_path: Path, upstream: RawUpstream, authority: Authority, demand: str, shown: str, status: int
) -> None:
    """Who shows a certificate must show a good one; who shows none is refused only where it is required."""
    clients = Authority()
    leaf = {
        "nothing": None,
        "good": clients.issue("billing.internal"),
        "another CA's": Authority().issue("billing.internal"),
        "expired": clients.issue("billing.internal", expires=PAST),
    }[shown]
    settings = client_settings(tmp_path, authority, clients, demand)
    if demand == "none":
        settings = authority.write_pair(tmp_path)
    async with running_gateway(upstream.url, tls=settings) as gateway:
        trusting = authority.trusting(leaf)
        if status:
            assert (await ask(gateway.port, GET, tls=trusting)).status == status
        else:
            with pytest.raises(REFUSED):
                await ask(gateway.port, GET, tls=trusting)
            await gateway.capture.until(handshake_failed)
            assert not upstream.received


async def test_other_client_cas_after_a_reload(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """Which CAs are accepted, and whether a certificate is demanded, changes for new connections."""
    before, after = Authority(), Authority()
    old, new = (each.issue("billing.internal") for each in (before, after))
    settings = client_settings(tmp_path, authority, before, "required")
    async with (
        running_gateway(upstream.url, tls=settings) as gateway,
        raw_caller(gateway.port, tls=authority.trusting(old)) as held,
    ):
        await held.send(GET)
        assert (await held.answer()).status == 200
        after.write_ca(tmp_path / "clients.pem")
        await reload(gateway, tmp_path, upstream.url, settings)
        assert (await ask(gateway.port, GET, tls=authority.trusting(new))).status == 200
        with pytest.raises(REFUSED):
            await ask(gateway.port, GET, tls=authority.trusting(old))
        await held.send(GET)
        assert (await held.answer()).status == 200


async def test_a_session_does_not_outlive_its_ca(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """A resumed session shows no certificate: with other CAs in force it must not be resumed."""
    before, after = Authority(), Authority()
    settings = client_settings(tmp_path, authority, before, "required")
    trusting = authority.trusting(before.issue("billing.internal"))
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running_gateway(upstream.url, tls=settings) as gateway:
        session, _ = await asyncio.to_thread(connect, gateway.port, GET, trusting)
        _, resumed = await asyncio.to_thread(connect, gateway.port, GET, trusting, session)
        assert resumed
        after.write_ca(tmp_path / "clients.pem")
        await reload(gateway, tmp_path, upstream.url, settings)
        with pytest.raises(REFUSED):
            await asyncio.to_thread(connect, gateway.port, GET, trusting, session)


@pytest.mark.parametrize(
    ("highest", "min_version", "passes"),
    [
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2", True),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.3", False),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3", True),
    ],
)
async def test_versions(
    tmp_path: Path,
    upstream: RawUpstream,
    authority: Authority,
    highest: ssl.TLSVersion,
    min_version: str,
    passes: bool,
) -> None:
    """`min_version` is the oldest that is spoken."""
    settings = authority.write_pair(tmp_path) | {"min_version": min_version}
    trusting = authority.trusting()
    trusting.maximum_version = highest
    async with running_gateway(upstream.url, tls=settings) as gateway:
        if passes:
            assert (await ask(gateway.port, GET, tls=trusting)).status == 200
        else:
            with pytest.raises(REFUSED):
                await ask(gateway.port, GET, tls=trusting)


async def test_a_served_process_speaks_tls_and_drains(
    tmp_path: Path, upstream: RawUpstream, authority: Authority
) -> None:
    """On uvloop: plain bytes are no handshake, held connections end in a drain, the exit is clean."""
    async with spawned_gateway(tmp_path, upstream.url, tls=authority.write_pair(tmp_path)) as gateway:
        assert gateway.url.startswith("https://127.0.0.1:")
        port = int(gateway.url.rpartition(":")[2])
        async with raw_caller(port) as plain:
            await plain.send(GET)
            assert await plain.rest() == b""
        async with raw_caller(port, tls=authority.trusting()) as caller:
            await caller.send(GET)
            assert (await caller.answer()).status == 200
            gateway.process.terminate()
            assert await caller.rest() == b""
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0
    events = [line["event"] for line in gateway.capture.lines]
    assert events[-1] == "stopped"
    assert "tls handshake failed" in events
    assert not [line for line in gateway.capture.lines if line.get("level") in ("error", "warning")]
