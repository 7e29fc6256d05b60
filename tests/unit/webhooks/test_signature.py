"""Signatures: Twilio's own vector, what the SDK signs, and what no SDK refuses but we do."""

import hashlib
import json

import pytest
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.webhooks.signature import (
    Algorithm,
    SignatureSettings,
    find_tails,
    join_parameters,
    read_pairs,
    read_settings,
    sign,
)
from tests.support.running import ACCOUNT_SID
from tests.support.webhook_rules import TOKEN, judge, make_event, make_route, make_rules, shared_key
from tests.support.webhooks import AUTH_TOKEN, PUBLIC_URL, message, sign_form

HOOK = f"{PUBLIC_URL}/hook"


def test_twilios_vector() -> None:
    """https://www.twilio.com/docs/usage/security#test-the-validity-of-your-webhook-signature"""
    form = (
        b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE"
    )
    (tail,) = find_tails(b"foo=1&bar=2", form, read_pairs(form))
    url = b"https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign(b"12345", Algorithm.HMAC_SHA1, url, tail) == b"RSOYDt4T1cUTdK1PDd93/VVr8B8="


FORMS = {
    "a message": message(),
    "values that are empty": {"A": "", "B": ""},
    "text beyond ASCII": {"Body": "Grüße, 你好 😀", "Ort": "Zürich"},
    "text that looks encoded": {"Body": "50% off & more = a+b %41"},
    "line breaks": {"Body": "one\r\ntwo\n"},
    "names that sort by case": {"a": "1", "B": "2", "C": "3"},
    "an empty name": {"": "1"},
    "a long one": {
        "Body": "x" * 1600,
        **{f"MediaUrl{number}": f"https://m/{number}" for number in range(10)},
    },
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_the_sdk_signs_passes(form: dict[str, str]) -> None:
    event = make_event("/hook?a=1&b=%20+", sign_form(f"{HOOK}?a=1&b=%20+", form), form)
    assert judge(event).reason == ""


@pytest.mark.parametrize(
    "pairs",
    [
        [("To", "+1"), ("To", "+2"), ("To", "+1")],
        [("To", "b"), ("To", "a"), ("A", "z")],
        [("A", "😀"), ("A", "！"), ("A", "z")],
    ],
    ids=["a value twice", "in any order", "beyond U+FFFF"],
)
def test_repeated_parameters(pairs: list[tuple[str, str]]) -> None:
    signature = RequestValidator(AUTH_TOKEN).compute_signature(HOOK, MultiDict(pairs))
    assert judge(make_event("/hook", signature, pairs)).reason == ""
    assert judge(make_event("/hook", signature, list(reversed(pairs)))).reason == ""
    assert judge(make_event("/hook", signature, [*pairs, ("To", "+3")])).reason == "signature"


def test_code_points_beyond_the_basic_plane_sort_in_two_ways() -> None:
    """Node and Java compare UTF-16, in which an emoji comes before a full-width character."""
    pairs = [(b"A", "！".encode()), (b"A", "😀".encode())]
    assert len(join_parameters(pairs)) == 2
    assert len(join_parameters([(b"A", "😀".encode()), (b"B", b"1")])) == 1


BASES = {
    "https://hooks.example.com": ("https://hooks.example.com", "https://hooks.example.com:443"),
    "https://hooks.example.com:8443": ("https://hooks.example.com:8443", "https://hooks.example.com"),
    "http://hooks.example.com": ("http://hooks.example.com", "http://hooks.example.com:80"),
    "https://[2001:db8::1]:8443": ("https://[2001:db8::1]:8443", "https://[2001:db8::1]"),
    "https://[2001:db8::1]": ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
    "HTTPS://Hooks.Example.com": ("HTTPS://Hooks.Example.com", "https://hooks.example.com:443"),
    "https://Hooks.Example.com:8443": ("https://Hooks.Example.com", "https://hooks.example.com:8443"),
    "https://hooks.example.com/in": ("https://hooks.example.com/in", "https://hooks.example.com:443/in"),
}


@pytest.mark.parametrize(("public_url", "signed"), BASES.items(), ids=BASES)
def test_with_and_without_the_port(public_url: str, signed: tuple[str, ...]) -> None:
    rules = make_rules(public_url=public_url)
    for base in signed:
        assert (
            judge(make_event("/hook", sign_form(f"{base}/hook", {"A": "1"}), {"A": "1"}), rules).reason == ""
        )
    for base in ("https://hooks.example.com:444", "http://other.example.com"):
        event = make_event("/hook", sign_form(f"{base}/hook", {"A": "1"}), {"A": "1"})
        assert judge(event, rules).reason == "signature"


TAMPERED = {
    "a value": lambda form: form | {"Body": "other"},
    "a name": lambda form: {name.replace("Body", "body"): value for name, value in form.items()},
    "one more": lambda form: form | {"X": "1"},
    "one less": lambda form: {name: value for name, value in form.items() if name != "To"},
    "none": lambda form: {},
    "another account": lambda form: form | {"AccountSid": "AC" + "9" * 32},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_does_not(change: object) -> None:
    form = message()
    assert callable(change)
    assert judge(make_event("/hook", sign_form(HOOK, form), change(form))).reason == "signature"


def test_an_account_that_is_not_the_routes() -> None:
    other = "AC" + "9" * 32
    for target, form in (("/hook", message(AccountSid=other)), (f"/hook?AccountSid={other}", {"A": "1"})):
        assert judge(make_event(target, sign_form(PUBLIC_URL + target, form), form)).reason == "account"
    for document, reason in (
        ({"AccountSid": other}, "account"),
        ({"account_sid": other, "AccountSid": ACCOUNT_SID}, "account"),
        ([{"AccountSid": ACCOUNT_SID}, {"accountSid": other}], "account"),
        ([{"AccountSid": ACCOUNT_SID}, "AccountSid", 1], ""),
        ([{"data": {"accountSid": other}}], ""),  # about a subaccount
    ):
        for start in (b"", b"\xef\xbb\xbf", b" \r\n"):
            body = start + json.dumps(document).encode()
            target = f"/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
            event = make_event(target, sign_form(PUBLIC_URL + target, {}), body=body, kind="application/json")
            assert judge(event).reason == reason, body
    assert (
        judge(
            make_event("/hook", sign_form(HOOK, {"AccountSid": ACCOUNT_SID}), {"AccountSid": ACCOUNT_SID})
        ).reason
        == ""
    )


def _hashed(body: bytes, **more: str) -> tuple[str, str]:
    target = f"/hook?x=1&bodySHA256={hashlib.sha256(body).hexdigest()}"
    return target, sign_form(PUBLIC_URL + target, {})


def test_a_body_of_another_type_needs_its_hash() -> None:
    body = b'{"a": 1}'
    target, signature = _hashed(body)
    assert judge(make_event(target, signature, body=body, kind="application/json")).reason == ""
    assert judge(make_event(target, signature, body=body, kind="text/plain")).reason == ""
    for other in (b'{"a": 2}', b"", b"=", b"&"):
        for kind in ("application/json", "application/x-www-form-urlencoded", ""):
            assert judge(make_event(target, signature, body=other, kind=kind)).reason != ""
    assert judge(make_event(target, signature, method="GET")).reason == "body"
    plain = sign_form(HOOK, {})
    assert judge(make_event("/hook", plain, body=body, kind="application/json")).reason == "body"
    assert (
        judge(make_event("/hook", plain, body=body, kind="multipart/form-data; boundary=x")).reason == "body"
    )


def test_a_hash_in_upper_case_or_twice_is_none() -> None:
    body = b"{}"
    digest = hashlib.sha256(body).hexdigest()
    for query in (f"bodySHA256={digest.upper()}", f"bodySHA256={digest}&bodySHA256={digest}"):
        signature = sign_form(f"{HOOK}?{query}", {})
        assert (
            judge(make_event(f"/hook?{query}", signature, body=body, kind="application/json")).reason
            == "body"
        )


def test_a_form_may_be_covered_by_either() -> None:
    form = b"A=1"
    target, signature = _hashed(form)
    assert judge(make_event(target, signature, body=form)).tail == b""
    other = sign_form(PUBLIC_URL + target, {"A": "1"})
    assert judge(make_event(target, other, body=form)).tail == b"A1"


def test_a_coded_body_is_not_covered() -> None:
    event = make_event("/hook", sign_form(HOOK, {"A": "1"}), {"A": "1"}, Content_Encoding="gzip")
    assert judge(event).reason == "body"


def test_a_get_has_no_body() -> None:
    signature = sign_form(HOOK, {})
    assert judge(make_event("/hook", signature, method="GET")).reason == ""
    signature = sign_form(HOOK, {"A": "1"})
    assert judge(make_event("/hook", signature, {"A": "1"}, method="GET")).reason == "body"


def test_settings() -> None:
    assert read_settings(b"key=webhooks_sharedkey_1, algorithm=HMAC_SHA256") == SignatureSettings(
        "webhooks_sharedkey_1", Algorithm.HMAC_SHA256
    )
    assert read_settings(b"algorithm=hmac_sha256") == SignatureSettings("", Algorithm.HMAC_SHA256)
    assert read_settings(b"key=k") == SignatureSettings("k", Algorithm.HMAC_SHA1)
    assert read_settings(b"key=k,algorithm=HMAC_SHA512") is None
    assert read_settings(b"nonsense") == SignatureSettings("", Algorithm.HMAC_SHA1)


@pytest.mark.parametrize("allowed", ["HMAC_SHA1", "HMAC_SHA256"])
@pytest.mark.parametrize("used", ["HMAC_SHA1", "HMAC_SHA256"])
def test_no_algorithm_is_weaker_than_its_secrets(allowed: str, used: str) -> None:
    key = shared_key("webhooks_sharedkey_1", "shared", allowed)
    rules = make_rules(make_route(secrets=[TOKEN, key]))
    signature = sign_form(HOOK, {"A": "1"}, "shared", used)
    named = f"key=webhooks_sharedkey_1,algorithm={used}"
    event = make_event("/hook", signature, {"A": "1"}, X_Twilio_Webhooks_Signature_Settings=named)
    weaker = Algorithm[used] < Algorithm[allowed]
    assert judge(event, rules).reason == ("signature" if weaker else "")


def test_a_secret_never_shows() -> None:
    assert AUTH_TOKEN not in repr(make_rules())
    assert "secret-of-the-service" not in repr(make_rules())
    signature = sign_form(HOOK, {"A": "1"})
    assert AUTH_TOKEN not in repr(judge(make_event("/hook", signature, {"A": "1"})))


def test_too_many_parameters_are_not_split() -> None:
    body = b"&".join(b"a" for _ in range(3_001))
    assert read_pairs(body) is None
    assert judge(make_event("/hook", sign_form(HOOK, {"a": ""}), body=body)).reason == "body"
