"""Values to judge: a catalogue, a consumer, a request's head, and the handler's own chain of decisions."""

import base64
from typing import Any

from gateway.consumers.allow_rules import parse_rules
from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import Account, ApiKey, Credential
from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.http.request_head import Inbound, require_head
from gateway.identity.authentication import Caller, Identities, KeyEntry, authenticate, digest_of
from gateway.policy.addressing import make_host_table
from gateway.policy.authorization import Grant
from gateway.policy.bodies import NO_BODY, BodyLimits
from gateway.policy.deadlines import Deadlines
from gateway.policy.outbound import Outbound
from gateway.policy.snapshot import Snapshot
from gateway.policy.steps import check_body, check_stream, decide_head, prepare
from gateway.twilio.catalogue import Catalogue, load_catalogue
from gateway.twilio.error_body import ErrorHelp
from gateway.twilio.request_fields import make_request_fields
from gateway.twilio.sdks import SDKS

OWN = "AC" + "1" * 31 + "a"
SUB = "AC" + "2" * 31 + "b"
FOREIGN = "AC" + "3" * 31 + "c"
MESSAGES = f"/2010-04-01/Accounts/{OWN}/Messages.json"
KEY = b"gw_consumer-key-that-must-not-travel"
TOKEN = base64.b64encode(b"app:" + KEY)
AUTHORIZATION = (b"Authorization", b"Basic " + TOKEN)
TWILIO_SECRET = b"Basic dHdpbGlvOnNlY3JldA=="
FORM = b"application/x-www-form-urlencoded"

CATALOGUE: Catalogue = load_catalogue()
HOSTS = make_host_table(
    CATALOGUE.products,
    CATALOGUE.hosts,
    ["Partner.example.com"],
    {"gateway.internal:8080", "localhost:8080", "[::1]:8080"},
)
LIMITS = BodyLimits(1 << 20, 500 << 20)

Fields = tuple[tuple[bytes, bytes], ...]


def credential(region: str = "us1", edge: str = "") -> Credential:
    """Account OWN, with the subaccount SUB that has a key of its own."""
    account = Account(OWN, (ApiKey("SK1", TWILIO_SECRET), ApiKey("SK2", b"Basic c2Vjb25kOmtleQ==")))
    subaccount = Account(SUB, (ApiKey("SK3", b"Basic c3ViOmtleQ=="),))
    return Credential("main", account, {SUB: subaccount}, region, edge)


def consumer(*allow: str, **settings: Any) -> Consumer:
    """The consumer `app`; without rules it may do everything."""
    settings.setdefault("credential", credential())
    settings.setdefault("usernames", frozenset({"app"}))
    return Consumer(name="app", rules=parse_rules(allow or ("everything",), HOSTS.products), **settings)


def head(method: str, target: str, *fields: tuple[bytes, bytes], body: bytes = b"") -> Inbound:
    """The head of a request by `app`; a body is announced by its length."""
    return require_head(method, target, (1, 1), head_fields(*fields, body=body))


def head_fields(*fields: tuple[bytes, bytes], body: bytes = b"") -> Fields:
    """The fields of such a head."""
    length = ((b"Content-Length", b"%d" % len(body)),) if body else ()
    return ((b"Host", b"gateway.internal:8080"), AUTHORIZATION, *length, *fields)


def snapshot(*consumers: Consumer) -> Snapshot:
    """The configuration in force, with these consumers."""
    identities = Identities({digest_of(KEY): KeyEntry(each, None) for each in consumers})
    return Snapshot(
        catalogue=CATALOGUE,
        hosts=HOSTS,
        identities=identities,
        jwk_sets={},
        request_fields=make_request_fields((), ["Partner.example.com"]),
        limits=LIMITS,
        body_seconds=30.0,
        body_total_seconds=300.0,
        deadlines=Deadlines(25.0, 55.0, 60.0, {name: each.timeout_seconds for name, each in SDKS.items()}),
        public_url="",
        error_help=ErrorHelp(),
        config_hash="",
        consumers={each.name: each for each in consumers},
        credentials={each.credential.name: each.credential for each in consumers},
    )


def grant(given: Consumer, inbound: Inbound) -> Grant:
    """Everything up to the body, by the real steps."""
    return decide_head(snapshot(given), given, inbound, Exchange(0.0))[0]


def judge(given: Consumer, inbound: Inbound, body: bytes = b"") -> tuple[Grant, Outbound, str]:
    """The handler's own steps, without its I/O: (grant, outbound, slug that was only reported)."""
    current = snapshot(given)
    exchange = Exchange(0.0)
    caller = authenticate(current.identities, inbound, 0.0)
    assert isinstance(caller, Caller)
    granted, plan = decide_head(current, given, inbound, exchange)
    finished = NO_BODY
    if plan.stream:
        check_stream(granted, exchange)
    else:
        finished = check_body(granted, plan, body, exchange)
    prepared = prepare(current, caller, inbound, granted, finished, streams=plan.stream)
    return granted, prepared.outbound, exchange.reported


def form(given: Consumer, body: bytes, target: str = MESSAGES, kind: bytes = FORM) -> str:
    """What becomes of a POST: '' if it passes, the slug of the refusal, or 'reported: ' and the slug."""
    try:
        _, outbound, reported = judge(given, head("POST", target, (b"Content-Type", kind), body=body), body)
    except Refusal as refusal:
        return refusal.slug
    assert outbound.body == body
    return f"reported: {reported}" if reported else ""


def caller(given: Consumer) -> Caller:
    """`app` as authenticated."""
    return Caller(given, (KEY, TOKEN))
