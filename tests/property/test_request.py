"""Any request gives what was asked for or a `Refusal`; what was judged is what is sent; no secret leaks."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.consumers.consumer import Consumer, Emit, Mode
from gateway.consumers.form_rules import FormRules, match_prefix
from gateway.errors import KINDS, Refusal
from gateway.http.request_head import Inbound, require_head
from gateway.policy.authorization import Grant
from gateway.policy.methods import emit_method
from gateway.twilio.error_body import render_error
from tests.property.strategies import bodies, fields, methods, targets, versions
from tests.support.judging import AUTHORIZATION, FOREIGN, HOSTS, KEY, TOKEN, TWILIO_SECRET, consumer, judge

Fields = tuple[tuple[bytes, bytes], ...]
_SECRETS = (KEY.decode(), TOKEN.decode(), TWILIO_SECRET.decode(), AUTHORIZATION[1].decode())
_RULES = FormRules(
    senders=frozenset({"+1500"}),
    recipients=(match_prefix("+1"),),
    callback_hosts=("hooks.example.com",),
)
_CONSUMERS = st.builds(
    lambda allow, forms, mode, emit, legacy, convert: consumer(
        allow, forms=forms, mode=mode, emit=emit, legacy=legacy, convert=convert
    ),
    st.sampled_from(["everything", "everything", "everything", "messages:send", "read-only"]),
    st.sampled_from([None, _RULES]),
    st.sampled_from(Mode),
    st.sampled_from(Emit),
    st.booleans(),
    st.booleans(),
)
_TYPES = st.sampled_from(
    [
        (),
        ((b"Content-Type", b"application/x-www-form-urlencoded"),),
        ((b"Content-Type", b"application/x-www-form-urlencoded; charset=shift_jis"),),
        ((b"Content-Type", b"multipart/form-data; boundary=B0"),),
        ((b"Content-Type", b"application/json"),),
    ]
)


def _assert_telling_nothing(refusal: Refusal) -> None:
    assert refusal.slug in KINDS
    shown = f"{refusal!r} {refusal} {refusal.detail} {refusal.headers} {render_error(refusal, '/')}"
    assert not any(secret in shown for secret in _SECRETS)


@settings(max_examples=400)
@example("GET", "//2010-04-01/Accounts.json", (1, 1), ((b"Host", b"api.twilio.com"),))
@given(methods, targets, versions, fields)
def test_any_head_is_an_inbound_or_a_refusal(
    method: str, target: str, version: tuple[int, int], raw: Fields
) -> None:
    try:
        inbound = require_head(method, target, version, raw)
    except Refusal as refusal:
        _assert_telling_nothing(refusal)
        return
    assert isinstance(inbound, Inbound)
    assert tuple((name, value) for _, name, value in inbound.fields) == raw
    rest = f"{inbound.path}?{inbound.query}" if inbound.query else inbound.path
    if inbound.authority:
        assert target.lower().startswith(f"{inbound.scheme}://{inbound.authority}")
        assert target.endswith((rest, "?")) or rest.startswith("/?") or rest == "/"
    else:  # a doubled slash before a version is the only thing that is put right
        path, _, query = target.partition("?")
        assert (inbound.path, inbound.query) in ((path, query), (path.replace("//", "/"), query))
    assert not {"..", ".", ""} & set(inbound.path.split("/")[1:-1])
    assert not any(secret in repr(inbound) for secret in _SECRETS) or KEY.decode() in target


def _judged(given_consumer: Consumer, inbound: Inbound, body: bytes) -> None:
    """Judge, and check what holds of every request that is let through."""
    before = (tuple(inbound), dict(inbound.single_fields))
    try:
        granted, outbound, _ = judge(given_consumer, inbound, body)
    except Refusal as refusal:
        _assert_telling_nothing(refusal)
        return
    finally:
        assert (tuple(inbound), dict(inbound.single_fields)) == before
    _assert_granted(granted, given_consumer)
    method, query = emit_method(granted.call._replace(query=granted.query), given_consumer.emit)
    assert (outbound.method, outbound.host) == (method, granted.host)
    assert outbound.target == (f"{granted.path}?{query}" if query else granted.path)
    assert outbound.length in (-1, None) or outbound.streams or outbound.length == len(outbound.body)
    shown = outbound.fields.decode("ascii") + outbound.target + repr(outbound) + repr(granted)
    assert not any(secret in shown for secret in _SECRETS)
    for line in outbound.fields.split(b"\r\n")[:-1]:
        name, colon, value = line.partition(b": ")
        assert colon
        assert b"\n" not in value
        assert name.lower() not in (b"authorization", b"host", b"content-length", b"transfer-encoding")


def _assert_granted(granted: Grant, given_consumer: Consumer) -> None:
    # As a word: with a letter or digit beside it, it is another text (page tokens hold SIDs).
    sent = f"{granted.path}?{granted.query}"
    assert not re.search(rf"(?<![0-9A-Za-z]){FOREIGN}(?![0-9A-Za-z])", sent, re.IGNORECASE)
    assert given_consumer.credential.owns(granted.account.sid)
    assert granted.host.endswith(".twilio.com") or granted.host in HOSTS.literals
    assert "_method" not in granted.query.lower()


@settings(max_examples=400)
@given(_CONSUMERS, methods, st.one_of(targets, targets.map(lambda target: "/verify" + target)), fields)
def test_what_was_judged_is_what_is_sent(
    given_consumer: Consumer, method: str, target: str, raw: Fields
) -> None:
    deciding = {b"host", b"authorization", b"content-length", b"transfer-encoding"}
    others = tuple(field for field in raw if field[0].lower() not in deciding)
    try:
        inbound = require_head(
            method, target, (1, 1), ((b"Host", b"gateway.internal:8080"), AUTHORIZATION, *others)
        )
    except Refusal:
        return
    _judged(given_consumer, inbound, b"")


@settings(max_examples=600)
@given(
    _CONSUMERS,
    st.sampled_from(
        [
            "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
            "/content/v1/Content",
            "/verify/v2/Unknown?a=1",
        ]
    ),
    _TYPES,
    bodies,
)
def test_any_body_is_judged_or_refused(
    given_consumer: Consumer, target: str, kind: Fields, body: bytes
) -> None:
    head = ((b"Host", b"x"), AUTHORIZATION, (b"Content-Length", b"%d" % len(body)), *kind)
    _judged(given_consumer, require_head("POST", target, (1, 1), head), body)
