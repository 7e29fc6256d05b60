"""What is changed in answers, and nothing else: links for path-prefix callers, Location, tokens; and keys."""

import gzip
import json
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from tests.support.caller import MESSAGES, ask, request
from tests.support.running import ACCOUNT_SID, ENVIRON, Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, Step, reply

JSON = "Content-Type: application/json"
PAGE = {
    "meta": {"next_page_url": "https://messaging.twilio.com/v1/Services?Page=1", "key": "services"},
    "services": [
        {"url": "https://messaging.twilio.com/v1/Services/MG0", "body": "https://messaging.twilio.com/v1"}
    ],
}
TOKEN = "sEcReT-auth-token"
SUBACCOUNT = "AC" + "5" * 32


def refusing(*keys: list[str]) -> Step:
    """401/20003 for these keys, their number in the body; 200 for others."""

    async def act(connection: ScriptedConnection) -> None:
        key = connection.received.values("authorization")
        if key not in keys:
            return await reply(b"{}")(connection)
        body = b'{"code": 20003, "status": 401, "n": %d}' % keys.index(key)
        return await reply(body, status="401 Unauthorized", fields=(JSON,))(connection)

    return act


def basic(sid: str, secret: str) -> list[str]:
    """The value of Authorization for a key."""
    return ["Basic " + b64encode(f"{sid}:{secret}".encode()).decode()]


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
async def test_links_lead_back_for_prefix_callers(
    gateway: Running, upstream: RawUpstream, coding: str
) -> None:
    """We ask for identity; an answer that is encoded all the same is decoded. Content is never touched."""
    body = json.dumps(PAGE).encode()
    encoded = {"": body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[coding]
    fields = (JSON, f"Content-Encoding: {coding}") if coding else (JSON,)
    upstream.then(reply(encoded, fields=fields))
    answer = await ask(gateway.port, request("GET /messaging/v1/Services", "Accept-Encoding: gzip"))
    assert upstream.received[0].values("accept-encoding") == ["identity"]
    assert upstream.received[0].values("host") == ["messaging.twilio.com"]
    base = b"http://gateway.test/messaging/v1"
    expected = body.replace(b'_url": "https://messaging.twilio.com/v1', b'_url": "' + base)
    expected = expected.replace(b'{"url": "https://messaging.twilio.com/v1', b'{"url": "' + base)
    assert answer.body == expected
    assert answer.values("content-encoding") == []
    assert answer.value("Content-Length") == str(len(expected))


async def test_links_keep_the_host_for_callers_by_host(gateway: Running, upstream: RawUpstream) -> None:
    """They reach Twilio's names through us already, but not by https; and keep their Accept-Encoding."""
    body = json.dumps(PAGE).encode()
    upstream.then(reply(gzip.compress(body), fields=(JSON, "Content-Encoding: gzip")))
    given = request("GET /v1/Services", "Accept-Encoding: gzip").replace(
        b"gateway.test", b"messaging.twilio.com"
    )
    expected = body.replace(b'_url": "https://', b'_url": "http://').replace(
        b'{"url": "https://', b'{"url": "http://'
    )
    assert (await ask(gateway.port, given)).body == expected
    assert upstream.received[0].values("accept-encoding") == ["gzip"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://messaging.twilio.com/v1/x?a=1", "http://gateway.test/messaging/v1/x?a=1"),
        ("https://api.twilio.com/2010-04-01/x", "http://gateway.test/api/2010-04-01/x"),
        ("/v1/y", "http://gateway.test/messaging/v1/y"),
        ("//evil.test/x", "//evil.test/x"),
        ("https://api.twilio.com.evil.test/x", "https://api.twilio.com.evil.test/x"),
        ("https://media.twiliocdn.com/x", "https://media.twiliocdn.com/x"),
    ],
)
async def test_location_leads_back_too(
    gateway: Running, upstream: RawUpstream, location: str, expected: str
) -> None:
    """Only where it points at a Twilio host."""
    upstream.then(reply(b"", status="307 Moved", fields=(f"Location: {location}",)))
    answer = await ask(gateway.port, request("GET /messaging/v1/Services/MG0"))
    assert answer.value("Location") == expected


@pytest.fixture
async def managing(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A consumer that may read accounts, which few may."""
    allow = ["GET api /2010-04-01/Accounts/{Sid}"]
    async with running_gateway(upstream.url, consumers={"app": consumer(allow=allow)}) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        (".json", b'{"sid":"AC0","auth_token":"%b","note":"auth_token"}' % TOKEN.encode()),
        (
            "",
            b"<TwilioResponse><Account><AuthToken>%b</AuthToken></Account></TwilioResponse>" % TOKEN.encode(),
        ),
    ],
    ids=["json", "xml"],
)
@pytest.mark.parametrize("coding", ["", "gzip", "br"])
async def test_auth_tokens_are_concealed(
    managing: Running, upstream: RawUpstream, suffix: str, body: bytes, coding: str
) -> None:
    """Whatever the format; what cannot be looked into is not handed out."""
    kind = JSON if suffix else "Content-Type: application/xml"
    encoded = gzip.compress(body) if coding == "gzip" else body
    upstream.then(reply(encoded, fields=(kind, f"Content-Encoding: {coding}") if coding else (kind,)))
    answer = await ask(managing.port, request(f"GET /2010-04-01/Accounts/{ACCOUNT_SID}{suffix}"))
    if coding == "br":  # said to be br, at least
        assert (answer.status, answer.slug) == (502, "upstream_unreadable")
    else:
        concealed = b"null" if suffix else b""
        quoted = b'"%b"' % TOKEN.encode() if suffix else TOKEN.encode()
        assert answer.body == body.replace(quoted, concealed)
    assert TOKEN.encode() not in answer.head + answer.body


SECOND = {"sid": "SK" + "2" * 32, "secret": {"env": "TWILIO_SECOND_SECRET"}}
TWO_KEYS = {
    "main": {
        "account_sid": ACCOUNT_SID,
        "keys": [{"sid": {"env": "TWILIO_API_KEY"}, "secret": {"env": "TWILIO_API_SECRET"}}, SECOND],
        "subaccounts": [{"account_sid": SUBACCOUNT, "keys": [{**SECOND, "sid": "SK" + "3" * 32}]}],
    }
}
FIRST_KEY = basic(ENVIRON["TWILIO_API_KEY"], ENVIRON["TWILIO_API_SECRET"])
SECOND_KEY = basic("SK" + "2" * 32, "second")


@pytest.fixture
async def two_keys(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A credential with a second key, and a subaccount with one of its own."""
    environ = {**ENVIRON, "TWILIO_SECOND_SECRET": "second"}
    async with running_gateway(upstream.url, environ, credentials=TWO_KEYS) as gateway:
        yield gateway


async def test_the_next_key_is_tried_and_a_probe_decides(two_keys: Running, upstream: RawUpstream) -> None:
    """A key that fails its probe, too, comes last from then on; logged and counted."""
    upstream.otherwise = refusing(FIRST_KEY)
    answer = await ask(two_keys.port, request(f"GET {MESSAGES}"))
    assert (answer.status, answer.value("Gateway-Attempts")) == (200, "2")
    await two_keys.capture.until(
        lambda lines: any(line["event"] == "credential key disabled" for line in lines)
    )
    used = sorted(received.values("authorization") for received in upstream.received)
    assert used == sorted([FIRST_KEY, SECOND_KEY, FIRST_KEY])
    await ask(two_keys.port, request(f"GET {MESSAGES}"))
    assert upstream.received[3].values("authorization") == SECOND_KEY
    logged = (await two_keys.exchange_logged(2))[0]
    assert (logged["key_failovers"], logged["attempts"]) == (1, 2)
    admin_port = int(two_keys.admin_url.rpartition(":")[2])
    metrics = await ask(admin_port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert b'event="refused"' in metrics.body
    assert b'event="put_aside"' in metrics.body
    labels = b'{credential="main",key="SK0011\xe2\x80\xa6eeff"}'
    assert b"gateway_credential_key_unauthorized_total" + labels + b" 1.0" in metrics.body
    assert b"gateway_credential_key_last_unauthorized_timestamp_seconds" + labels in metrics.body
    assert b"gateway_credential_key_age_seconds" + labels in metrics.body
    assert b'gateway_retries_total{reason="key_refused"} 1.0' in metrics.body
    assert ENVIRON["TWILIO_API_KEY"].encode() not in metrics.body


async def test_the_first_no_is_relayed_when_all_keys_fail(two_keys: Running, upstream: RawUpstream) -> None:
    """And a POST is sent once per key: 401 means that it was not processed."""
    upstream.otherwise = refusing(FIRST_KEY, SECOND_KEY)
    answer = await ask(two_keys.port, request(f"POST {MESSAGES}"))
    assert (answer.status, json.loads(answer.body)["n"], answer.slug) == (401, 0, "")
    posts = [received for received in upstream.received if received.line.startswith("POST")]
    assert [post.values("authorization") for post in posts] == [FIRST_KEY, SECOND_KEY]


@pytest.mark.parametrize("body", [b'{"code": 70051}', b"", b"<html>20003"], ids=["70051", "empty", "html"])
async def test_another_401_is_no_reason(two_keys: Running, upstream: RawUpstream, body: bytes) -> None:
    """Only code 20003 says that the key was not taken."""
    upstream.then(reply(body, status="401 Unauthorized", fields=(JSON,)))
    answer = await ask(two_keys.port, request(f"GET {MESSAGES}"))
    assert (answer.status, answer.body, len(upstream.received)) == (401, body, 1)


async def test_a_key_that_passes_its_probe_stays_first(two_keys: Running, upstream: RawUpstream) -> None:
    """A Standard key refused on one resource is healthy."""
    upstream.then(reply(b'{"code": 20003}', status="401 No", fields=(JSON,)))
    assert (await ask(two_keys.port, request(f"GET {MESSAGES}"))).status == 200
    await upstream.arrived(3)
    await ask(two_keys.port, request(f"GET {MESSAGES}?last"))
    assert upstream.received[-1].values("authorization") == FIRST_KEY
    assert "credential key disabled" not in {line["event"] for line in two_keys.log()}


async def test_a_subaccounts_own_key_serves_it(two_keys: Running, upstream: RawUpstream) -> None:
    """And no other account."""
    await ask(two_keys.port, request(f"GET {MESSAGES.replace(ACCOUNT_SID, SUBACCOUNT)}"))
    await ask(two_keys.port, request(f"GET {MESSAGES}"))
    keys = [received.values("authorization") for received in upstream.received]
    assert keys == [basic("SK" + "3" * 32, "second"), FIRST_KEY]
