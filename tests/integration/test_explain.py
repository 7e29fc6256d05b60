"""`gateway explain` as a second witness: what it says of a request is what a running gateway then does."""

from collections.abc import AsyncIterator

import pytest

from gateway.explanation import Explanation
from tests.support.attempts import REPEATS, SIGNAL, closed_upstream, coded, with_field
from tests.support.caller import FORM, RawAnswer, ask
from tests.support.explained import ACCOUNT, JSON, KEYS, MESSAGE, SETTINGS, Row, form_row
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, Step, raw, raw_upstream, reply

OTHER = "AC" + "9" * 32
GOOD = b"To=%2B15005550006&From=%2B15005550006&Body=hi"
ROWS = [
    *(Row(name, f"GET {ACCOUNT}/Messages.json?PageSize=1") for name in KEYS),
    *(Row(name, f"DELETE {MESSAGE}") for name in KEYS),
    *(form_row(name, GOOD) for name in KEYS),
    *(form_row(name, GOOD, f"{MESSAGE}?_method=DELETE") for name in KEYS),
    *(Row(name, f"PUT {MESSAGE}", (FORM,), b"Body=") for name in KEYS),
    *(Row(name, "GET /verify/v2/Services") for name in KEYS),
    *(Row(name, "GET /v2/Services", host="verify.twilio.com") for name in KEYS),
    *(Row(name, "GET http://lookups.twilio.com/v2/PhoneNumbers/%2B15005550006") for name in KEYS),
    *(Row(name, f"GET {ACCOUNT}.json") for name in KEYS),
    *(Row(name, f"POST {ACCOUNT}/Messages.json", (JSON,), b'{"To": "+15005550006"}') for name in KEYS),
    *(Row(name, f"POST {ACCOUNT}/Messages.json", (JSON,), b'{"To": {"a": 1}}') for name in KEYS),
    *(Row(name, f"POST {MESSAGE}", (FORM, "X-HTTP-Method-Override: DELETE")) for name in KEYS),
    *(Row(name, "DELETE /messaging/v1/Services/MG00000000000000000000000000000000") for name in KEYS),
    Row("all", "GET /2010-04-01/Accounts/AC00000000000000000000000000000000/Calls.json"),
    Row("all", "HEAD " + MESSAGE),
    Row("all", "PATCH /conversations/v2/Conversations/CH0", (JSON,), b"{}"),
    Row("all", "POST /content/v1/Content", (JSON,), b'{"types": {}}'),
    Row("all", "POST /content/v1/Content", (FORM,), b"a=1"),
    Row("all", "POST /v1/Services/IS0/Media", ("Content-Type: image/png",), b"png", "mcs.us1.twilio.com"),
    Row("all", "GET /verify/v2/Unknown/Thing?a=%2B1"),
    Row("all", f"GET {ACCOUNT}/Messages.json", ("traceparent: 00-a-b-01", "Cookie: a=1", "X-A: 1", "x-a: 2")),
    Row("all", f"GET {ACCOUNT}/Messages.json", ("Connection: close, X-Gone", "X-Gone: 1")),
    Row("all", f"GET {ACCOUNT}/Messages.json", ("Gateway-Timeout: soon",)),
    Row("all", f"GET {ACCOUNT}/Messages.json", ("Gateway-Timeout: 2.5",)),
    Row("all", f"GET {ACCOUNT}/Messages.json", ("X_Under: 1",)),
    Row("all", f"GET {ACCOUNT}/Messages.json", (), b"a=1"),
    Row("all", "OPTIONS " + MESSAGE),
    Row("all", "GET /nowhere"),
    Row("all", "GET http://evil.example/2010-04-01/Accounts.json"),
    Row("all", f"GET {ACCOUNT}/Messages.json", host="api.dublin.ie1.twilio.com"),
    Row("all", f"GET {ACCOUNT}/Messages.json", host="a b"),
    form_row("all", GOOD, f"{ACCOUNT}/Messages.json", "Idempotency-Key: one"),
    form_row("all", GOOD, f"{ACCOUNT}/Messages.json", "Idempotency-Key: "),
    form_row("all", GOOD, f"{ACCOUNT}/Messages.json", "Content-Encoding: gzip"),
    form_row("all", GOOD + b"&AccountSid=" + OTHER.encode()),
    form_row("all", GOOD + b"&_method=DELETE"),
    Row("all", f"POST {ACCOUNT}/Messages.json", (), GOOD),
    Row("all", f"POST {ACCOUNT}/Messages.json", ("Content-Type: multipart/form-data; boundary=B",), b"x"),
    # What the shared corpus of policy has for a consumer with GET and POST on one account.
    Row("narrow", f"POST {MESSAGE}?a=1;_method=DELETE", (FORM,)),
    Row("narrow", f"POST {MESSAGE}?_method[]=DELETE", (FORM,)),
    Row("narrow", f"POST {MESSAGE}?_Method=DELETE", (FORM,)),
    Row("narrow", f"POST {MESSAGE}?%5Fmethod=DELETE", (FORM,)),
    Row("narrow", f"GET {MESSAGE}?_method=DELETE"),
    Row("narrow", f"GET /2010-04-01/Accounts/{OTHER}/Messages.json"),
    Row("narrow", f"GET /2010-04-01/Accounts/{OTHER.lower()}/Messages.json"),
    Row("narrow", f"GET {ACCOUNT}/../{OTHER}/Messages.json"),
    Row("narrow", f"GET /2010-04-01/Accounts//{OTHER}/Messages.json"),
    Row("narrow", f"GET {ACCOUNT}/%4Dessages.json"),
    Row("narrow", f"GET {ACCOUNT}/Accounts/{OTHER}.json"),
    Row("narrow", "GET /2010-04-01/Accounts.json"),
    Row("narrow", f"POST {ACCOUNT}/Keys.json", (FORM,)),
    Row("narrow", f"GET {ACCOUNT}/Messages.json", ("X-Request-Id: a", "X-Request-Id: b")),
    Row("narrow", f"GET {ACCOUNT}/Messages.json?access_token=x&api_key=y"),
    *(
        form_row(name, body)
        for name in ("narrow", "report")
        for body in (b"To=%2B441&Body=x", b"From=x", b"StatusCallback=https%3A%2F%2Fevil.example%2F", b"a;b")
    ),
    form_row("narrow", b"Body=x", f"{ACCOUNT}/Messages.json?To=%2B1500"),
]


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway with consumers of every kind."""
    async with running_gateway(upstream.url, **SETTINGS) as running:
        yield running


async def test_what_is_said_is_what_is_done(gateway: Running, upstream: RawUpstream) -> None:
    """Refused with that slug and status, or sent with these bytes, on that route, for that account."""
    sent = 0
    for number, row in enumerate(ROWS, 1):
        said = row.explained(gateway)
        method = row.line.partition(" ")[0]
        upstream.otherwise = reply(b"" if method == "HEAD" else b"{}", fields=(JSON,))
        answer = await ask(gateway.port, row.data, method)
        line = (await gateway.exchange_logged(number))[-1]
        assert (answer.slug, said.slug) == (said.slug, line.get("gateway_error", "")), (row, answer)
        known = (said.method, said.product, said.route, said.account, said.reported)
        logged = ("method", "product", "route", "account", "would_refuse")
        assert known == tuple(line.get(name, "") for name in logged), row
        if said.slug:
            assert answer.status == said.status
            assert said.detail.encode() in answer.body.replace(b'\\"', b'"')
            assert said.outgoing is None
        else:
            sent += 1
            _assert_sent(said, upstream)
        assert len(upstream.received) == sent, row
    assert sent > 40
    assert len({row.explained(gateway).slug for row in ROWS}) > 12


def _assert_sent(said: Explanation, upstream: RawUpstream) -> None:
    assert said.outgoing is not None
    received = upstream.received[-1]
    (secret,) = received.values("authorization")
    head = received.head.decode().replace(secret, f"Basic <{said.keys[0]}>")
    assert head.split("\r\n")[:-2] == list(said.outgoing.head)
    assert received.values("host") == [said.outgoing.host]
    if not said.outgoing.streams:
        assert received.body == said.outgoing.body


OUTCOMES: dict[str, Step] = {
    "429, code 20429": SIGNAL,
    "429, another code": coded(60203),
    "401, code 20003": coded(20003, "401 No"),
    "503": reply(b"{}", status="503 No"),
    "502 or 504": reply(b"{}", status="502 No"),
    "500": reply(b"{}", status="500 No"),
    "lost after it was sent": raw(ends="close"),
}
TRIED = {
    "GET": Row("all", f"GET {ACCOUNT}/Messages.json"),
    "POST": form_row("all", GOOD),
    "PUT to one thing": Row("all", "PUT /conversations/v2/Conversations/CH0", (JSON,), b"{}"),
    "DELETE": Row("all", f"DELETE {MESSAGE}"),
    "an upload": Row(
        "all", "POST /v1/Services/IS0/Media", ("Content-Type: image/png",), b"png", "mcs.us1.twilio.com"
    ),
    "Verify": form_row("all", b"To=%2B15005550006&Channel=sms", "/verify/v2/Services/VA0/Verifications"),
}


@pytest.mark.parametrize("row", TRIED.values(), ids=TRIED)
async def test_what_is_said_to_be_tried_again_is(row: Row) -> None:
    async with raw_upstream() as upstream, running_gateway(upstream.url, **SETTINGS) as gateway:
        for outcome, step in OUTCOMES.items():
            (said,) = [each for each in row.explained(gateway).outcomes if each.outcome == outcome]
            upstream.script.clear()
            upstream.then(step)
            answer = await ask(gateway.port, with_field(row.data, REPEATS))
            assert (answer.value("Gateway-Attempts") != "1") is said.again, (outcome, said, answer)
            assert (answer.value("Gateway-Outcome") == "unknown") is ("unknown" in said.words), outcome


@pytest.mark.parametrize("name", ["GET", "POST"])
async def test_what_was_not_sent_is_tried_again(name: str) -> None:
    async with closed_upstream() as closed, running_gateway(closed.url, **SETTINGS) as gateway:
        said = TRIED[name].explained(gateway).outcomes[0]
        answer: RawAnswer = await ask(gateway.port, TRIED[name].data)
    assert said.again
    assert int(answer.value("Gateway-Attempts")) > 1
