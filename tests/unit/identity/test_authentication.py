"""Who is calling: keys, user names, expiry, and keys that stand where they must not."""

import base64
from contextlib import nullcontext

import pytest

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.request_head import require_head
from gateway.identity.authentication import (
    Caller,
    Identities,
    KeyEntry,
    UnverifiedCaller,
    admit,
    authenticate,
    digest_of,
)
from gateway.identity.client_certificates import PeerCertificate
from gateway.identity.jwt_claims import ClaimTable, Issuer
from tests.support.judging import FOREIGN, KEY, consumer

_BILLING = consumer(usernames=frozenset({"billing", FOREIGN}))
_OLD_TOKEN = b"0123456789abcdef0123456789abcdef"
_INDEX = {
    digest_of(KEY): KeyEntry(_BILLING, None),
    digest_of(_OLD_TOKEN): KeyEntry(_BILLING, 1000.0),
    digest_of(b"short"): KeyEntry(_BILLING, None),
}
_TARGET = "/2010-04-01/Accounts.json"


_FORM = b"gw" + b"a1" * 21 + b"b"
"""Of the form that `gateway key new` makes, and nobody's."""


def _basic(username: str, key: bytes) -> bytes:
    return b"Basic " + base64.b64encode(username.encode() + b":" + key)


def _call(*fields: tuple[bytes, bytes], target: str = _TARGET, now: float = 999.0) -> Caller:
    inbound = require_head("GET", target, (1, 1), ((b"Host", b"x"), *fields))
    caller = authenticate(Identities(_INDEX), inbound, now)
    assert isinstance(caller, Caller)
    return caller


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        (_basic("billing", KEY), (KEY, base64.b64encode(b"billing:" + KEY))),
        (_basic(FOREIGN, _OLD_TOKEN), (_OLD_TOKEN, base64.b64encode(FOREIGN.encode() + b":" + _OLD_TOKEN))),
        (b"basic   " + base64.b64encode(b"billing:" + KEY), (KEY, base64.b64encode(b"billing:" + KEY))),
        (b"Bearer " + KEY, (KEY, KEY)),
        (b"BEARER  " + KEY, (KEY, KEY)),
        (b"Bearer short", ()),
    ],
    ids=["basic", "legacy", "spaces", "bearer", "any case", "too short to be looked for elsewhere"],
)
def test_a_known_key_is_its_consumer(value: bytes, secrets: tuple[bytes, ...]) -> None:
    caller = _call((b"Authorization", value))
    assert caller.consumer is _BILLING
    assert caller.secrets == secrets
    assert repr(caller) == "Caller('app')"


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        (b"", "missing_key"),
        (b"Basic", "missing_key"),
        (b"Basic ", "missing_key"),
        (b"Basic !!!", "missing_key"),
        (b"Basic " + base64.b64encode(b"billing"), "missing_key"),
        (b"Basic " + base64.b64encode(b"billing:"), "missing_key"),
        (b"Basic" + base64.b64encode(b"billing:" + KEY), "missing_key"),
        (base64.b64encode(b"billing:" + KEY), "missing_key"),
        (b"Bearer", "missing_key"),
        (b"Bearer ", "missing_key"),
        (b'Digest username="billing"', "missing_key"),
        (KEY, "missing_key"),
        (b"Bearer wrong", "unknown_consumer"),
        (b"Bearer " + digest_of(KEY).encode(), "unknown_consumer"),
        (b"Bearer sha256:" + digest_of(KEY).encode(), "unknown_consumer"),
        (_basic("billing", KEY + b"x"), "unknown_consumer"),
        (_basic("Billing", KEY), "unknown_consumer"),
        (_basic("", KEY), "unknown_consumer"),
        (_basic("another", KEY), "unknown_consumer"),
        (_basic("b\u00fcro", KEY), "unknown_consumer"),
        (_basic("billing", b"x:" + KEY), "unknown_consumer"),
    ],
)
def test_anything_else_is_401_with_a_challenge(value: bytes, slug: str) -> None:
    with pytest.raises(Refusal) as refusal:
        _call((b"Authorization", value))
    assert (refusal.value.slug, refusal.value.status, refusal.value.code) == (slug, 401, 20003)
    assert refusal.value.headers == (("WWW-Authenticate", 'Basic realm="twilio-gateway"'),)


def test_no_field_at_all_is_401() -> None:
    with pytest.raises(Refusal, match="missing_key"):
        _call()
    with pytest.raises(Refusal, match="missing_key"):
        _call((b"X-Api-Key", KEY), target=_TARGET + "?api_key=x")


def test_a_key_ends_at_its_time() -> None:
    field = (b"Authorization", _basic("billing", _OLD_TOKEN))
    _call(field, now=999.9)
    with pytest.raises(Refusal, match="expired_key"):
        _call(field, now=1000.0)


@pytest.mark.parametrize(
    ("target", "fields", "passes"),
    [
        (_TARGET, [(b"Proxy-Authorization", b"Bearer " + KEY)], True),
        ("http://api.twilio.com/a", [(b"Proxy-Authorization", b"Bearer " + KEY)], True),
        (
            "http://api.twilio.com/a",
            [(b"Proxy-Authorization", b"Bearer " + KEY), (b"Authorization", b"Basic eDp5")],
            True,
        ),
        ("http://api.twilio.com/a", [(b"Authorization", b"Bearer " + KEY)], True),
        # Not a proxy request: Authorization is who is calling.
        (_TARGET, [(b"Proxy-Authorization", b"Bearer " + KEY), (b"Authorization", b"Basic eDp5")], False),
        (
            "http://api.twilio.com/a",
            [(b"Proxy-Authorization", b"Bearer x"), (b"Authorization", b"Bearer " + KEY)],
            False,
        ),
    ],
)
def test_proxy_authorization(target: str, fields: list[tuple[bytes, bytes]], passes: bool) -> None:
    if passes:
        assert _call(*fields, target=target).consumer is _BILLING
    else:
        with pytest.raises(Refusal, match="unknown_consumer"):
            _call(*fields, target=target)


@pytest.mark.parametrize(
    "place",
    ["/v1/{key}", "/v1/a?x={key}", "/v1/a?{key}", "/v1/a?x={escaped}", "/v1/a?x={token}"],
)
def test_a_key_in_the_url_is_refused(place: str) -> None:
    token = base64.b64encode(b"billing:" + KEY).decode()
    target = place.format(key=KEY.decode(), escaped="%67" + KEY.decode()[1:], token=token)
    with pytest.raises(Refusal, match="bad_target") as refusal:
        _call((b"Authorization", _basic("billing", KEY)), target=target)
    assert KEY.decode() not in str(refusal.value)


_MAIL = consumer()
_HOLDERS = {"dns:billing.internal": _BILLING, "cn:mail": _MAIL}
_TOKEN = b"eyJhbGciOiJub25lIn0.e30.c2ln"


def _known(
    name: str | None, *fields: tuple[bytes, bytes], issuers: bool = False, now: float = 0.0
) -> Caller | UnverifiedCaller:
    """Who calls over a connection with a certificate that ends at 1000."""
    issuer = Issuer("i", "https://i", "a", frozenset(), 0.0, ClaimTable(()))
    identities = Identities(_INDEX, _HOLDERS, {"https://i": issuer} if issuers else {})
    inbound = require_head("GET", _TARGET, (1, 1), ((b"Host", b"x"), *fields))
    certificate = None if name is None else PeerCertificate((name,), 1000.0)
    return authenticate(identities, inbound, now, certificate)


def test_a_certificate_needs_no_key() -> None:
    assert _known("dns:billing.internal") == Caller(_BILLING, ())


@pytest.mark.parametrize("name", ["dns:billing.internal", "dns:nobody"])
def test_a_key_beside_its_consumers_certificate_or_nobodys(name: str) -> None:
    caller = _known(name, (b"Authorization", _basic("billing", KEY)))
    assert isinstance(caller, Caller)
    assert caller.consumer is _BILLING


@pytest.mark.parametrize(
    ("name", "fields", "now", "slug"),
    [
        ("dns:nobody", (), 0.0, "unknown_consumer"),
        ("cn:mail", ((b"Authorization", _basic("billing", KEY)),), 0.0, "unknown_consumer"),
        ("dns:billing.internal", ((b"Authorization", b"Bearer wrong"),), 0.0, "unknown_consumer"),
        ("dns:billing.internal", ((b"Authorization", b"Basic !"),), 0.0, "missing_key"),
        ("dns:billing.internal", (), 1000.0, "expired_certificate"),
        (None, (), 0.0, "missing_key"),
    ],
    ids=["nobody's", "two consumers", "a wrong key", "a broken key", "ended", "none"],
)
def test_certificates_that_are_not_enough(
    name: str | None, fields: tuple[tuple[bytes, bytes], ...], now: float, slug: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        _known(name, *fields, now=now)
    assert (refusal.value.slug, refusal.value.status) == (slug, 401)
    assert refusal.value.headers[0][0] == "WWW-Authenticate"


def test_an_ended_certificate_says_nothing_beside_a_key() -> None:
    caller = _known("cn:mail", (b"Authorization", b"Bearer " + KEY), now=1000.0)
    assert isinstance(caller, Caller)
    assert caller.consumer is _BILLING


def test_a_token_makes_an_unverified_caller_where_issuers_are_known() -> None:
    field = (b"Authorization", b"Bearer " + _TOKEN)
    unverified = _known("cn:mail", field, issuers=True)
    assert unverified == UnverifiedCaller(None, _TOKEN, _TOKEN, digest_of(_TOKEN), _MAIL)
    assert repr(unverified) == "UnverifiedCaller()"
    basic = _known(None, (b"Authorization", _basic("billing", _TOKEN)), issuers=True)
    assert isinstance(basic, UnverifiedCaller)
    assert (basic.username, basic.token) == (b"billing", _TOKEN)
    with pytest.raises(Refusal, match="unknown_consumer"):
        _known("cn:mail", field)
    with pytest.raises(Refusal, match="unknown_consumer"):
        _known("cn:mail", (b"Authorization", b"Bearer " + _TOKEN + b"=="), issuers=True)


@pytest.mark.parametrize(
    ("username", "certificate_consumer", "target", "slug"),
    [
        (None, None, _TARGET, ""), (b"billing", _BILLING, _TARGET, ""),
        (b"mail", None, _TARGET, "unknown_consumer"), (None, _MAIL, _TARGET, "unknown_consumer"),
        (None, None, _TARGET + "?t=" + _TOKEN.decode(), "bad_target"),
    ],
)  # fmt: skip
def test_what_must_agree_with_a_verified_token(
    username: bytes | None, certificate_consumer: Consumer | None, target: str, slug: str
) -> None:
    inbound = require_head("GET", target, (1, 1), ((b"Host", b"x"),))
    with pytest.raises(Refusal, match=slug) if slug else nullcontext():
        caller = admit(inbound, _BILLING, username, (_TOKEN, _TOKEN), certificate_consumer)
        assert caller == Caller(_BILLING, (_TOKEN, _TOKEN))


@pytest.mark.parametrize(
    ("username", "key", "hinted"),
    [
        (FOREIGN, b"0" * 32, True),
        ("SK" + "0" * 32, b"aB3" + b"x" * 29, True),
        ("billing", b"0" * 32, False),
        (FOREIGN, b"gw_" + b"0" * 32, False),
    ],
)
def test_d9_twilios_own_credentials_are_recognised(username: str, key: bytes, hinted: bool) -> None:
    with pytest.raises(Refusal, match="unknown_consumer") as refusal:
        _call((b"Authorization", _basic(username, key)))
    assert ("The gateway holds those itself" in refusal.value.detail) == hinted
    assert username not in refusal.value.detail
    assert key.decode() not in refusal.value.detail


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (_basic(KEY.decode(), b"billing"), "the consumer's name comes first, then its key"),
        (b"Basic " + base64.b64encode(b"billing:"), "one of them is missing"),
        (b"Basic " + base64.b64encode(b"billing"), "one of them is missing"),
        (b"Basic " + base64.b64encode(_FORM + b":"), "is missing. A key stands where the user name belongs"),
        (b"Basic " + base64.b64encode(_FORM), "is missing. A key stands where the user name belongs"),
        (_basic(_FORM.decode(), KEY), "does not belong to this key. A key stands where the user name"),
        (KEY, "a bare key is sent as `Bearer KEY`"),
        (b"Token " + KEY, "must begin with Basic or Bearer"),
        (b"Bearer", "holds no key"),
        (_basic("SK" + "a1" * 16, KEY), "It looks like a SID of Twilio: the user name is"),
        (_basic("billing", b'"' + KEY + b'"'), "begins or ends with a quotation mark or white space"),
        (_basic("billing", KEY + b"\n"), "begins or ends with a quotation mark or white space"),
        (_basic("billing", b"$GATEWAY_KEY"), "a variable that was not filled in"),
        (b"Bearer ${GATEWAY_KEY}", "a variable that was not filled in"),
        (_basic("billing", "gw…".encode()), "the placeholder of a document: send the whole key"),
        (b"Bearer gw_0123...", "the placeholder of a document: send the whole key"),
        (b"Bearer billing:gw_not-the-key-of-billing", "`Bearer` takes the key alone"),
        (b"Bearer <your-key>", "a variable that was not filled in"),
        (_basic("billing", b"sha256:" + b"a" * 64), "send the key that it was made of"),
        (b"Bearer Bearer " + KEY, "names the scheme once"),
        (b"Basic " + _basic("billing", KEY), "names its scheme once"),
        (b"Bearer " + _basic("billing", KEY)[6:], "send that as `Basic`, not `Bearer`"),
        (b"Basic billing:" + KEY, "joined by a colon and sent in Base64"),
    ],
    ids=[
        "swapped", "no password", "no colon", "a key as user name", "a key alone", "two keys",
        "bare", "another scheme", "nothing", "a SID as user name",
        "quoted", "a line end", "a variable", "a variable in braces", "shortened", "three dots",
        "a name before the key", "a placeholder", "a digest",
        "two schemes", "two schemes of Basic", "Bearer for Basic", "not encoded",
    ],
)  # fmt: skip
def test_d9_common_mistakes_are_recognised(value: bytes, hint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        _call((b"Authorization", value))
    assert refusal.value.status == 401
    assert hint in refusal.value.detail
    assert KEY.decode() not in refusal.value.detail


@pytest.mark.parametrize("field", [b"X-API-Key", b"apikey", b"X-Auth-Token"])
def test_d9_a_key_in_another_field_is_recognised(field: bytes) -> None:
    with pytest.raises(Refusal, match="missing_key") as refusal:
        _call((field, KEY))
    assert "A key in X-API-Key or a field like it is not read." in refusal.value.detail
