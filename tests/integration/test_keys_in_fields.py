"""B8 and its siblings: a consumer's key in any part of a request is in no log, metric, page or answer."""

import json

import pytest

from tests.support.caller import FORM, MESSAGES, ask, ask_admin, request
from tests.support.running import KEY, consumer, running_gateway
from tests.support.upstream import RawUpstream

HEX_KEY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
"""A key of 32 hexadecimal digits, as an old AuthToken is: it has the form of a trace's id."""
PLACES = {
    "X-Request-Id": (f"GET {MESSAGES}", "X-Request-Id: {}"),
    "trace": (f"GET {MESSAGES}", "traceparent: 00-{}-0f0f0f0f0f0f0f0f-01"),
    "tracestate": (
        f"GET {MESSAGES}",
        "traceparent: 00-" + "4b" * 16 + "-" + "0f" * 8 + "-01\r\ntracestate: a={}",
    ),
    "baggage": (f"GET {MESSAGES}", "baggage: key={}"),
    "User-Agent": (f"GET {MESSAGES}", "User-Agent: {}/1.0"),
    "version": (f"GET {MESSAGES}", "User-Agent: twilio-python/{}"),
    "cli version": (f"GET {MESSAGES}", "User-Agent: x @twilio/cli-core/{}"),
    "Referer": (f"GET {MESSAGES}", "Referer: https://example.com/?key={}"),
    "Gateway-Timeout": (f"GET {MESSAGES}", "Gateway-Timeout: {}"),
    "Gateway-Repeat": (f"POST {MESSAGES}", FORM + "\r\nGateway-Repeat: {}"),
    "Idempotency-Key": (f"POST {MESSAGES}", FORM + "\r\nIdempotency-Key: {}"),
    "method override": (f"POST {MESSAGES}", FORM + "\r\nX-HTTP-Method-Override: {}"),
    "a field's name": (f"GET {MESSAGES}", "{}: x"),
    "Content-Type": (f"POST {MESSAGES}", "Content-Type: text/{}"),
    "Host": ("GET https://{}.example.com/x", "X-Any: x"),
    "product": ("GET /{}/v1/Services", "X-Any: x"),
    "path": ("GET /2010-04-01/Accounts/{}/Messages.json", "X-Any: x"),
    "query": (f"GET {MESSAGES}?Key={{}}", "X-Any: x"),
    "fragment of a path": ("GET /messaging/v1/Services/{}/x", "X-Any: x"),
    "method": (f"{{}} {MESSAGES}", "X-Any: x"),
}


@pytest.mark.parametrize("key", [HEX_KEY, KEY], ids=["hex", "gw_"])
@pytest.mark.parametrize("place", PLACES)
async def test_b8_a_key_in_any_field_is_shown_nowhere(place: str, key: str, upstream: RawUpstream) -> None:
    line, field = (part.replace("{}", key) for part in PLACES[place])
    consumers = {"app": consumer(), "other": consumer(HEX_KEY)}
    async with running_gateway(upstream.url, consumers=consumers) as gateway:
        fields = field.split("\r\n")
        answer = await ask(gateway.port, request(line, *fields, body=b"To=%2B1" if "POST" in line else b""))
        await gateway.exchange_logged(1)
        admin = int(gateway.admin_url.rpartition(":")[2])
        said = json.dumps(gateway.log())
        for path in ("/metrics", "/api/exchanges", "/api/state", "/readyz"):
            said += (await ask_admin(admin, path)).body.decode()
    said += "".join(f"{name}: {value}" for name, value in answer.fields)
    assert '"exchange"' in said
    assert key not in said
