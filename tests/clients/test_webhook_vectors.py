"""Webhooks signed and validated by the npm SDK: what it signs passes here, what we sign passes there."""

import hashlib
import json
from typing import Any

from gateway.webhooks.inward_request import build_inward_request
from tests.clients.programs import NODE_FOLDER, run_program
from tests.support.webhook_rules import judge, make_event, make_route, make_rules
from tests.support.webhooks import AUTH_TOKEN, PUBLIC_URL, message

FORMS: dict[str, dict[str, Any]] = {
    "a message": message(),
    "nothing": {},
    "empty values": {"A": "", "B": "x"},
    "a name twice": {"MediaUrl": ["https://b", "https://a", "https://b"], "A": "1"},
    "beyond U+FFFF": {"A": ["！", "😀", "z"], "Body": "😀"},
    "names by case": {"b": "1", "A": "2", "a": "3", "B": "4"},
    "text that looks encoded": {"Body": "100% + a&b=c %41"},
}
TARGETS = [
    "/hook/a",
    "/hook/a?x=1&y=2",
    "/hook/a?q=a+b%20c&d=%c3%bc&e=",
    "/hook/a//b?u=https://example.com//x",
    "/hook/it's?a='b'",
    "/hook/" + "long/" * 50 + "?" + "&".join(f"p{number}=v" for number in range(200)),
]
BASES = [
    PUBLIC_URL,
    "https://hooks.example.com:8443",
    "http://hooks.example.com",
    "https://[2001:db8::1]:8443",
]


def _pairs(form: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, each)
        for name, value in form.items()
        for each in (value if isinstance(value, list) else [value])
    ]


async def _ask(node: str, sign: list[dict[str, Any]], validate: list[dict[str, Any]]) -> dict[str, list[Any]]:
    asked = json.dumps({"sign": sign, "validate": validate}).encode()
    found: dict[str, list[Any]] = json.loads(await run_program([node, "webhooks.mjs"], NODE_FOLDER, asked))
    return found


async def test_what_node_signs_passes_here_and_what_we_sign_passes_there(node: str) -> None:
    cases = [(base, target, form) for base in BASES for target in TARGETS for form in FORMS.values()]
    asked = [{"token": AUTH_TOKEN, "url": base + target, "form": form} for base, target, form in cases]
    signed = (await _ask(node, asked, []))["signed"]
    back = []
    for (base, target, form), signature in zip(cases, signed, strict=True):
        rules = make_rules(make_route("/hook/**", "http://orders.internal:8000/in/**"), public_url=base)
        event = make_event(target, signature, _pairs(form))
        found = judge(event, rules)
        assert found.reason == "", (base, target, form)
        changed = make_event(target, signature, [*_pairs(form), ("Added", "1")])
        assert judge(changed, rules).reason == "signature"
        assert (
            judge(event, make_rules(*rules.routes, public_url="https://else.example")).reason == "signature"
        )
        inward = build_inward_request(rules.routes[0], event, found, "id")
        back.append(
            {
                "token": "secret-of-the-service",
                "url": inward.url,
                "form": {name: form[name] for name in form},
                "signature": inward.fields["X-Twilio-Signature"],
            }
        )
    assert (await _ask(node, [], back))["valid"] == [True] * len(cases)


async def test_json_by_its_hash(node: str) -> None:
    body = '{"text": "Grüße 😀", "n": [1, 2]}'
    target = f"/hook/a?x=1&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    asked = {"token": AUTH_TOKEN, "url": PUBLIC_URL + target, "form": {}}
    (signature,) = (await _ask(node, [asked], []))["signed"]
    rules = make_rules(make_route("/hook/**", "http://orders.internal:8000/in/**"))
    event = make_event(target, signature, body=body.encode(), kind="application/json")
    found = judge(event, rules)
    assert found.reason == ""
    inward = build_inward_request(rules.routes[0], event, found, "id")
    back = {
        "token": "secret-of-the-service",
        "url": inward.url,
        "body": body,
        "signature": inward.fields["X-Twilio-Signature"],
    }
    assert (await _ask(node, [], [back]))["valid"] == [True]
