"""Hints: each of the usual reasons is named, in words that hold neither query nor secret."""

import hashlib
from urllib.parse import urlencode

import pytest

from gateway.webhooks import signature_hints
from gateway.webhooks.signature import Pairs, SigningSecret, join_parameters
from gateway.webhooks.signature_hints import Hint, find_hint
from gateway.webhooks.webhook_routes import WebhookRules
from gateway.webhooks.webhook_verification import make_suspect
from tests.support.webhook_rules import TOKEN, judge, make_event, make_route, make_rules, shared_key
from tests.support.webhooks import AUTH_TOKEN, PUBLIC_URL, SECOND_TOKEN, message, sign_form

FORM = message()
TARGET = "/hook/menu//a%2Fb?x=a+b&y=%c3%bc&empty="
OTHER = SigningSecret("env:OTHER_TOKEN", SECOND_TOKEN.encode())
KEY = shared_key("webhooks_sharedkey_1", "shared")
RULES = make_rules(
    make_route("/hook/**", "http://orders/**", secrets=[TOKEN, KEY]), make_route("/x", secrets=[OTHER]),
)  # fmt: skip


def hint_for(
    signature: str, target: str = "/hook/a?x=1", rules: WebhookRules = RULES, **more: object
) -> Hint:
    """What is said of an event that does not match."""
    given: dict[str, object] = {"form": FORM} | more
    event = make_event(target, signature, **given)  # type: ignore[arg-type]
    assert judge(event, rules).reason
    route = rules.match(event.path)
    assert route is not None
    return find_hint(make_suspect(event), rules.address, route.secrets, rules.secrets)


URLS = {
    "http": ("http://hooks.example.com/hook/a?x=1", "http for https"),
    "a port": ("https://hooks.example.com:8443/hook/a?x=1", "port 8443"),
    "http and a port": ("http://hooks.example.com:8080/hook/a?x=1", "http for https and port 8080"),
    "a slash": ("https://hooks.example.com/hook/a/?x=1", "the path with a slash at its end"),
    "no query": ("https://hooks.example.com/hook/a", "the query left out"),
    "another query": ("https://hooks.example.com/hook/a?x=2", ""),
    "a path in capitals": ("https://hooks.example.com/hook/A?x=1", ""),
}


@pytest.mark.parametrize(("signed", "text"), URLS.values(), ids=URLS)
def test_urls(signed: str, text: str) -> None:
    found = hint_for(sign_form(signed, FORM))
    assert found == (Hint("url", text) if text else Hint("none", found.text))


CHANGES = {
    "plus": (("a+b", "a%20b"), "the query with `+` as `%20`"),
    "escapes": (("%c3%bc", "%C3%BC"), "the query with its escapes in upper case"),
    "slashes": (("menu//a", "menu/a"), "the path with its doubled slashes made one"),
    "empty": (("&empty=", ""), "the query without its empty parameters"),
}


@pytest.mark.parametrize(("change", "text"), CHANGES.values(), ids=CHANGES)
def test_what_proxies_do_to_urls(change: tuple[str, str], text: str) -> None:
    target = TARGET.replace("a%2Fb", "ab")
    signed = PUBLIC_URL + target.replace(*change)
    assert hint_for(sign_form(signed, FORM), target) == Hint("url", text)


def test_the_host_that_was_called() -> None:
    signature = sign_form("https://other.example.com/hook/a?x=1", FORM)
    found = hint_for(signature, Host="other.example.com")
    assert found == Hint("url", "the host other.example.com")
    assert hint_for(signature).part == "none"


def test_a_path_before_all_paths() -> None:
    rules = make_rules(make_route("/hook"), public_url="https://hooks.example.com/in")
    found = hint_for(sign_form("https://hooks.example.com/hook", FORM), "/hook", rules)
    assert found == Hint("url", "the path without what `public_url` puts before it")


def test_bodies() -> None:
    url = PUBLIC_URL + "/hook/a?x=1"
    without = {name: value for name, value in FORM.items() if value}
    assert hint_for(sign_form(url, without)).text.startswith("without its empty parameters")
    added = hint_for(sign_form(url, FORM), form=FORM | {"Added": "1"})
    assert added == Hint("body", "without the parameter Added: something between added it")
    body = b'{"a": 1}'
    digest = hashlib.sha256(body).hexdigest()
    target = f"/hook/a?bodySHA256={digest}"
    signature = sign_form(PUBLIC_URL + target, {})
    changed = hint_for(signature, target, form=None, body=b'{"a":1}', kind="application/json")
    assert changed == Hint("body", "bodySHA256 is of another body: it was changed")
    saved = hint_for(signature, target, form=None, body=body + b"\r\n", kind="application/json")
    assert saved == Hint("body", "bodySHA256 is of the body without the line break at its end")
    twice = f"{target}&bodySHA256={digest}"
    found = hint_for(sign_form(PUBLIC_URL + twice, {}), twice, form=None, body=body, kind="application/json")
    assert found == Hint("body", "bodySHA256 is written more than once")
    text = urlencode(FORM).encode() + b"\n"
    saved = hint_for(sign_form(url, FORM), form=None, body=text)
    assert saved == Hint("body", "without the line break at its end")
    plain = hint_for(sign_form(url, {}), form=None, body=body, kind="application/json")
    assert plain.text.startswith("without the body")


def test_secrets() -> None:
    url = PUBLIC_URL + "/hook/a?x=1"
    found = hint_for(sign_form(url, FORM, SECOND_TOKEN))
    assert found == Hint("secret", "env:OTHER_TOKEN, which is not a secret of the route's account")
    shared = sign_form(url, FORM, "shared", "HMAC_SHA256")
    assert hint_for(shared).part == "settings"
    weak = sign_form(url, FORM, "shared")
    named = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"
    assert "by HMAC_SHA1" in hint_for(weak, X_Twilio_Webhooks_Signature_Settings=named).text
    odd = "key=webhooks_sharedkey_1,algorithm=HMAC_MD5"
    assert hint_for(weak, X_Twilio_Webhooks_Signature_Settings=odd).part == "settings"
    assert hint_for("AAAA").part == "none"
    assert hint_for("").part == "signature"


def test_nothing_that_is_said_holds_a_query_or_a_secret() -> None:
    target = "/hook/a?customer=s3cret"
    for signed in (
        f"http://hooks.example.com{target}",
        f"{PUBLIC_URL}{target}&more=1",
        PUBLIC_URL + "/hook/a",
    ):
        text = hint_for(sign_form(signed, FORM), target).text
        assert "s3cret" not in text
        assert AUTH_TOKEN not in text


def test_a_route_without_secrets() -> None:
    rules = make_rules(make_route("/hook", secrets=[]))
    assert hint_for("AAAA", "/hook", rules) == Hint("secret", "the route's account has no secret")


def test_work_is_bounded() -> None:
    """A body of 64 KiB, and a signature that matches nothing: a few megabytes are hashed, and no more."""
    form = {f"name{number}": "x" * 100 for number in range(500)}
    rules = make_rules(
        make_route("/hook", secrets=[shared_key(str(number), str(number)) for number in range(50)])
    )
    assert hint_for("AAAA", "/hook", rules, form=form).part == "none"


@pytest.mark.parametrize("number", [100, 101, 2900])
def test_the_work_for_a_forged_form_does_not_grow_with_the_square(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger may send as many parameters as fit into 64 KiB."""
    joined: list[int] = []

    def join(pairs: Pairs) -> tuple[bytes, ...]:
        joined.append(len(pairs))
        return join_parameters(pairs)

    monkeypatch.setattr(signature_hints, "join_parameters", join)
    form = {f"name{each}": "😀" for each in range(number)}
    assert hint_for("AAAA", form=form).part == "none"
    assert sum(joined) < 12_000
