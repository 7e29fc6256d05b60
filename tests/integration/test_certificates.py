"""Client certificates as identity, over real TLS: alone, beside a key, in one connection after another."""

import asyncio
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.client_certificates import read_certificate
from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, RawAnswer, ask, raw_caller, request
from tests.support.metrics import scrape
from tests.support.running import consumer, running_gateway
from tests.support.tls import Authority, connect
from tests.support.upstream import RawUpstream

ANONYMOUS = request(f"GET {MESSAGES}", auth=None)
KEYED = request(f"GET {MESSAGES}")
FAILURES = "gateway_tls_handshake_failures_total"
SPIFFE = "spiffe://example.org/ns/shop/sa/mail"
CONSUMERS: dict[str, Any] = {
    "app": consumer(certificates=[{"san": "app.internal"}]),
    "billing": consumer(keys=[], certificates=[{"san": "billing.internal"}, {"cn": "Billing Service"}]),
    "mail": consumer(keys=[], certificates=[{"san": SPIFFE}]),
}


class Setting:
    """A gateway's TLS settings, and who issues what."""

    def __init__(self, folder: Path, demand: str = "optional") -> None:
        self.servers, self.clients = Authority(), Authority()
        ca_file = self.clients.write_ca(folder / "clients.pem")
        pair = self.servers.write_pair(folder)
        self.tls = pair | {"client_certificates": demand, "client_ca_file": ca_file}

    def showing(self, *names: str, common_name: str | None = None, expires: datetime | None = None) -> Any:
        """A caller's context with a certificate for these names."""
        return self.servers.trusting(self.clients.issue(*names, common_name=common_name, expires=expires))


@pytest.mark.parametrize(
    ("names", "common_name", "data", "expected"),
    [
        (("billing.internal",), None, ANONYMOUS, "billing"),
        (("x", "billing.internal"), None, ANONYMOUS, "billing"),
        ((SPIFFE,), None, ANONYMOUS, "mail"),
        (("x",), "Billing Service", ANONYMOUS, "billing"),
        (("billing.internal",), "Billing Service", ANONYMOUS, "billing"),
        (("x",), "billing.internal", ANONYMOUS, "unknown_consumer"),
        (("x.billing.internal",), None, ANONYMOUS, "unknown_consumer"),
        (("*.internal",), None, ANONYMOUS, "unknown_consumer"),
        ((SPIFFE + "/x",), None, ANONYMOUS, "unknown_consumer"),
        (("billing.internal", SPIFFE), None, ANONYMOUS, "unknown_consumer"),
        (("app.internal",), None, KEYED, "app"),
        (("x",), None, KEYED, "app"),
        (("billing.internal",), None, KEYED, "unknown_consumer"),
        ((), None, KEYED, "app"),
        ((), None, ANONYMOUS, "missing_key"),
    ],
)
async def test_whom_a_certificate_stands_for(
    tmp_path: Path,
    upstream: RawUpstream,
    names: tuple[str, ...],
    common_name: str | None,
    data: bytes,
    expected: str,
) -> None:
    """The consumer in the log, or the slug of the refusal."""
    setting = Setting(tmp_path)
    showing = setting.showing(*names, common_name=common_name) if names else setting.servers.trusting()
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        answer = await ask(gateway.port, data, tls=showing)
        [line] = await gateway.exchange_logged(1)
        if answer.status == 200:
            assert line["consumer"] == expected
            assert upstream.received[0].values("authorization")[0].startswith("Basic ")
        else:
            assert (answer.status, answer.slug) == (401, expected)
            assert not upstream.received


@pytest.mark.parametrize("name", ["\u212aey.internal", "k\u0130.internal", "\uff4bey.internal"])
async def test_b15_letters_that_are_equal_only_in_unicode_are_other_letters(
    tmp_path: Path, upstream: RawUpstream, name: str
) -> None:
    """The Kelvin sign in lower case is a k; in a DNS name it is none (RFC 4343)."""
    setting = Setting(tmp_path)
    consumers = {"app": consumer(certificates=[{"san": "key.internal"}, {"san": "ki.internal"}])}
    showing = setting.servers.trusting(setting.clients.issue_raw(name.encode()))
    async with running_gateway(upstream.url, tls=setting.tls, consumers=consumers) as gateway:
        assert (await ask(gateway.port, ANONYMOUS, tls=showing)).slug == "unknown_consumer"
        right = setting.servers.trusting(setting.clients.issue_raw(b"KEY.internal"))
        assert (await ask(gateway.port, ANONYMOUS, tls=right)).status == 200


@pytest.mark.parametrize("name", [b"\xff\xfe.internal", b"app.internal\xc3", b"\xed\xa0\x80"])
async def test_b15_a_name_that_is_no_text_is_counted_and_refused(
    tmp_path: Path, upstream: RawUpstream, name: bytes
) -> None:
    """Before a request is read, without an error of ours, and without harm to the next caller."""
    setting = Setting(tmp_path)
    showing = setting.servers.trusting(setting.clients.issue_raw(name, b"app.internal"))
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, EOFError)):
            await ask(gateway.port, ANONYMOUS, tls=showing)
        samples = await scrape(gateway.admin_url)
        failures = {labels: value for (name, labels), value in samples.items() if name == FAILURES}
        assert failures == {(("listener", "data"), ("reason", "UNREADABLE_CERTIFICATE")): 1.0}
        assert (await ask(gateway.port, ANONYMOUS, tls=setting.showing("app.internal"))).status == 200
        lines = gateway.log()
    assert not [line for line in lines if line["level"] == "error"]
    assert [line["reason"] for line in lines if line["event"] == "tls handshake failed"] == [
        "UNREADABLE_CERTIFICATE"
    ]
    assert len(upstream.received) == 1


async def test_b15_a_certificate_of_many_names_leaves_no_error(tmp_path: Path, upstream: RawUpstream) -> None:
    """Session tickets hold it: more is unsent behind its handshake than a connection may leave so."""
    setting = Setting(tmp_path)
    leaf = setting.clients.issue(*(f"{number}.internal" for number in range(2500)), "app.internal")
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        for _ in range(2):
            assert (await ask(gateway.port, ANONYMOUS, tls=setting.servers.trusting(leaf))).status == 200
        lines = gateway.log()
    assert not [line for line in lines if line["level"] == "error"]


async def test_a_certificate_is_read_once_per_connection(
    tmp_path: Path, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not per request."""
    read: list[object] = []

    def count(shown: Any) -> Any:
        read.append(shown)
        return read_certificate(shown)

    monkeypatch.setattr("gateway.listener.caller_transport.read_certificate", count)
    setting = Setting(tmp_path)
    async with (
        running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway,
        raw_caller(gateway.port, tls=setting.showing("billing.internal")) as caller,
    ):
        for _ in range(3):
            await caller.send(ANONYMOUS)
            assert (await caller.answer()).status == 200
    assert len(read) == 1


async def test_a_certificate_ends_while_its_connection_is_held(tmp_path: Path, upstream: RawUpstream) -> None:
    """The handshake was in time; what comes later is not."""
    setting = Setting(tmp_path)
    ends = datetime.now(UTC) + timedelta(seconds=3)
    async with (
        running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway,
        raw_caller(gateway.port, tls=setting.showing("billing.internal", expires=ends)) as caller,
    ):
        answered: list[RawAnswer] = []
        async with asyncio.timeout(120):
            while not answered or answered[-1].status == 200:
                await caller.send(ANONYMOUS)
                answered.append(await caller.answer())
    assert answered[0].status == 200
    assert answered[-1].slug == "expired_certificate"


async def test_curl_with_a_client_certificate(tmp_path: Path, upstream: RawUpstream) -> None:
    """A caller that shares no code with ours."""
    curl = shutil.which("curl")
    assert curl is not None
    setting = Setting(tmp_path, "required")
    leaf = setting.clients.issue("billing.internal")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    setting.servers.write_ca(tmp_path / "servers.pem")
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        process = await asyncio.create_subprocess_exec(
            curl, "--silent", "--show-error", "--http1.1", "--max-time", "20",
            "--cacert", str(tmp_path / "servers.pem"), "--cert", str(tmp_path / "client.pem"),
            "--data", "To=1", "--write-out", "%{http_code}", f"https://localhost:{gateway.port}{MESSAGES}",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert (process.returncode, output) == (0, b"{}200")
        [line] = await gateway.exchange_logged(1)
        assert (line["consumer"], line["method"]) == ("billing", "POST")


async def test_a_resumed_session_is_the_same_caller(tmp_path: Path, upstream: RawUpstream) -> None:
    """TLS resumption shows no certificate anew; who calls is known all the same, and only so."""
    setting = Setting(tmp_path)
    showing = setting.showing("billing.internal")
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        session, _ = await asyncio.to_thread(connect, gateway.port, ANONYMOUS, showing)
        _, resumed = await asyncio.to_thread(connect, gateway.port, ANONYMOUS, showing, session)
        assert resumed
        assert [line["consumer"] for line in await gateway.exchange_logged(2)] == ["billing", "billing"]


async def test_what_a_caller_says_of_its_certificate_counts_for_nothing(
    tmp_path: Path, upstream: RawUpstream
) -> None:
    """Fields by which balancers hand certificates on are a caller's word here."""
    setting = Setting(tmp_path)
    fields = ("X-Forwarded-Client-Cert: URI=" + SPIFFE, "X-Client-CN: Billing Service", "X-SSL-Verified: 1")
    async with running_gateway(upstream.url, tls=setting.tls, consumers=CONSUMERS) as gateway:
        data = request(f"POST {MESSAGES}", FORM, *fields, body=b"To=1", auth=None)
        assert (await ask(gateway.port, data, tls=setting.servers.trusting())).slug == "missing_key"


def test_the_key_of_these_tests_is_apps() -> None:
    """Else the rows above would say nothing."""
    assert AUTHORIZATION.encode() in KEYED
