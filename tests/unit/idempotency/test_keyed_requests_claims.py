"""What a request with a key claims: who, where, which key, and which body."""

import hashlib
from typing import Any

import pytest

from gateway.consumers.allow_rules import RuleSet
from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import Account, ApiKey, Credential
from gateway.errors import Refusal
from gateway.http.request_head import require_head
from gateway.identity.authentication import Caller
from gateway.policy.addressing import Address
from gateway.policy.authorization import Grant
from gateway.policy.bodies import FORM_TYPE, NO_BODY, Body, BodyFormat
from gateway.policy.idempotency_key import Claim, require_claim
from gateway.policy.methods import Call
from gateway.policy.outbound import build_outbound_head, join_body
from gateway.twilio.catalogue import load_catalogue

ACCOUNT = Account("AC" + "0" * 31 + "1", (ApiKey("SK…", b"Basic eA=="),))
CREDENTIAL = Credential("main", ACCOUNT, {}, "us1", "")
PATH = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Messages.json"
BODY = Body(b"To=%2B1&Body=hello", BodyFormat.FORM)


def _claim(
    *,
    consumer: str = "app",
    key: bytes | None = b"abc",
    account: Account = ACCOUNT,
    effective: str = "POST",
    host: str = "api.twilio.com",
    path: str = PATH,
    body: Body = BODY,
    content_type: bytes = FORM_TYPE,
    streams: bool = False,
    conceals: bool = False,
) -> Claim | None:
    product = host.partition(".")[0]
    headers = [(b"Host", host.encode()), (b"Content-Type", content_type)]
    if key is not None:
        headers.append((b"Idempotency-Key", key))
    inbound = require_head("POST", path, (1, 1), tuple(headers))
    call = Call(effective, Address(product, path, "", "", ""), "", True)
    route = load_catalogue().match(product, effective, path)
    owner = Consumer(consumer, frozenset(), CREDENTIAL, RuleSet(()))
    grant = Grant(owner, route, call, account, host, path, "", conceals, "", CREDENTIAL.sids)
    outgoing = build_outbound_head(inbound, Caller(owner, ()), grant, body.content_type, allowed=None)
    outbound = join_body(outgoing, inbound, body, streams=streams)
    return require_claim(inbound, grant, outbound, body)


DIFFERENT: list[tuple[str, dict[str, Any]]] = [
    ("consumer", {"consumer": "billing"}),
    ("account", {"account": Account("AC" + "0" * 31 + "2", ACCOUNT.keys)}),
    ("host", {"host": "api.dublin.ie1.twilio.com"}),
    ("target", {"path": PATH.replace("Messages", "Calls")}),
    ("suffix", {"path": PATH.removesuffix(".json")}),
    ("key", {"key": b"abd"}),
    ("case_of_key", {"key": b"ABC"}),
]


@pytest.mark.parametrize("change", [row[1] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_scopes_differ(change: dict[str, Any]) -> None:
    one, other = _claim(), _claim(**change)
    assert one is not None
    assert other is not None
    assert one.scope != other.scope
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"body": Body(BODY.data + b"!", BODY.shape)},
        {"body": NO_BODY},
        {"content_type": b"multipart/form-data; boundary=x"},
        {"body": Body(BODY.data, BODY.shape, content_type=b"application/json")},
    ],
    ids=["body", "no_body", "received_type", "type_sent"],
)
def test_fingerprints_differ(change: dict[str, Any]) -> None:
    one, other = _claim(), _claim(**change)
    assert one is not None
    assert other is not None
    assert one.scope == other.scope
    assert one.fingerprint != other.fingerprint


def test_both_forms_of_a_key_are_one() -> None:
    assert _claim(key=b'"abc"') == _claim(key=b"abc")


def test_nothing_can_be_read_in_a_claim() -> None:
    claim = _claim(key=b"order-4711", conceals=True)
    assert claim is not None
    assert claim.conceals
    digests = (claim.scope, claim.fingerprint.removeprefix("2:"), claim.fingerprint_v1)
    assert all(len(bytes.fromhex(text)) == hashlib.sha256().digest_size for text in digests)


@pytest.mark.parametrize(
    "without", [{"key": None}, {"effective": "DELETE"}, {"effective": "PUT"}, {"effective": "PATCH"}], ids=str
)
def test_what_claims_nothing(without: dict[str, Any]) -> None:
    assert _claim(**without) is None


def test_uploads_take_no_key() -> None:
    with pytest.raises(Refusal) as refused:
        _claim(streams=True)
    assert (refused.value.slug, refused.value.status) == ("idempotency_unsupported", 400)
    declared = {"host": "voice.twilio.com", "path": "/v3/Transcriptions"}
    assert _claim(streams=True, **declared) is None  # type: ignore[arg-type]
    assert _claim(**declared) is not None  # type: ignore[arg-type]
