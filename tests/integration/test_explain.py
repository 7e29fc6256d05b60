"""`gateway explain` as a second witness: what it says of a request is what a running gateway then does."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway.explanation import Explanation, RequestDraft, explain
from tests.support.attempts import REPEATS, SIGNAL, SOON, closed_upstream, coded, with_field
from tests.support.caller import FORM, RawAnswer, ask
from tests.support.running import ACCOUNT_SID, ENVIRON, Running, configuration, consumer, running_gateway
from tests.support.upstream import RawUpstream, Step, raw, raw_upstream, reply

ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
OTHER = "AC" + "9" * 32
MESSAGE = f"{ACCOUNT}/Messages/SM00000000000000000000000000000000.json"
KEYS = {name: f"gw_key-of-the-consumer-{name}-0123456789" for name in ("all", "narrow", "old", "report")}
GET_AND_POST = ["GET api /2010-04-01/**", "POST api /2010-04-01/**"]
RULES = {"to": ["+1"], "from": ["+15005550006"], "callback_hosts": ["hooks.example.com"]}
SETTINGS: dict[str, Any] = {
    "consumers": {
        "all": consumer(KEYS["all"], allow=["everything", "GET api /2010-04-01/Accounts/{AccountSid}"]),
        "narrow": consumer(KEYS["narrow"], allow=GET_AND_POST, form=RULES),
        "old": consumer(KEYS["old"], legacy=True, convert=True, emit="post"),
        "report": consumer(KEYS["report"], allow=["messages:send"], mode="report", form=RULES),
    },
    "retry": SOON,
}
JSON = "Content-Type: application/json"


class Row(NamedTuple):
    """A request; the account of `path` may stand for ours."""

    consumer: str
    line: str
    fields: tuple[str, ...] = ()
    body: bytes = b""
    host: str = "gateway.test"

    @property
    def raw_fields(self) -> tuple[tuple[str, str], ...]:
        """As they are sent, the key among them."""
        token = b64encode(f"{self.consumer}:{KEYS[self.consumer]}".encode()).decode()
        given = [tuple(field.split(": ", 1)) for field in self.fields]
        length = [("Content-Length", str(len(self.body)))] if self.body else []
        return (("Host", self.host), ("Authorization", f"Basic {token}"), *given, *length)  # type: ignore[arg-type]

    @property
    def data(self) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.line} HTTP/1.1", *(f"{name}: {value}" for name, value in self.raw_fields)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def explained(self, gateway: Running) -> Explanation:
        """What `explain` says of it, by the snapshot in force."""
        snapshot = gateway.gateway._snapshots.current
        method, _, target = self.line.partition(" ")
        fields = tuple((name.encode(), value.encode()) for name, value in self.raw_fields)
        given = snapshot.consumers[self.consumer]
        return explain(snapshot, given, RequestDraft(method, target, fields, self.body))


def _form(name: str, body: bytes, target: str = f"{ACCOUNT}/Messages.json", *fields: str) -> Row:
    return Row(name, f"POST {target}", (FORM, *fields), body)


GOOD = b"To=%2B15005550006&From=%2B15005550006&Body=hi"
ROWS = [
    *(Row(name, f"GET {ACCOUNT}/Messages.json?PageSize=1") for name in KEYS),
    *(Row(name, f"DELETE {MESSAGE}") for name in KEYS),
    *(_form(name, GOOD) for name in KEYS),
    *(_form(name, GOOD, f"{MESSAGE}?_method=DELETE") for name in KEYS),
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
    _form("all", GOOD, f"{ACCOUNT}/Messages.json", "Idempotency-Key: one"),
    _form("all", GOOD, f"{ACCOUNT}/Messages.json", "Idempotency-Key: "),
    _form("all", GOOD, f"{ACCOUNT}/Messages.json", "Content-Encoding: gzip"),
    _form("all", GOOD + b"&AccountSid=" + OTHER.encode()),
    _form("all", GOOD + b"&_method=DELETE"),
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
        _form(name, body)
        for name in ("narrow", "report")
        for body in (b"To=%2B441&Body=x", b"From=x", b"StatusCallback=https%3A%2F%2Fevil.example%2F", b"a;b")
    ),
    _form("narrow", b"Body=x", f"{ACCOUNT}/Messages.json?To=%2B1500"),
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
    "POST": _form("all", GOOD),
    "PUT to one thing": Row("all", "PUT /conversations/v2/Conversations/CH0", (JSON,), b"{}"),
    "DELETE": Row("all", f"DELETE {MESSAGE}"),
    "an upload": Row(
        "all", "POST /v1/Services/IS0/Media", ("Content-Type: image/png",), b"png", "mcs.us1.twilio.com"
    ),
    "Verify": _form("all", b"To=%2B15005550006&Channel=sms", "/verify/v2/Services/VA0/Verifications"),
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


def _run(folder: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", **(SETTINGS | settings))))
    return subprocess.run(
        [sys.executable, "-m", "gateway", "explain", "--config", str(config), *arguments],
        env={"PATH": os.environ["PATH"], **ENVIRON}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_says_it_in_words(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        *("--consumer", "narrow", "POST", f"/api{ACCOUNT}/Messages.json"),
        *(
            "--form",
            "To=+15005550006",
            "--form",
            "Body=a=b",
            "--header",
            "X-Any: 1",
            "--header",
            "If-Match: 1",
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "sent to api.twilio.com"
    for expected in (
        "route     POST api /2010-04-01/Accounts/{AccountSid}/Messages",
        "rule      POST api /2010-04-01/**",
        "keys      SK0011…eeff",
        f"wire      POST {ACCOUNT}/Messages.json HTTP/1.1",
        "If-Match: 1",
        "dropped   x-any (see upstream.request_fields)",
        "Authorization: Basic <SK0011…eeff>",
        "body      To=%2B15005550006&Body=a%3Db",
        "503                          goes back to the caller",
    ):
        assert expected in done.stdout
    assert ENVIRON["TWILIO_API_SECRET"] not in done.stdout


def test_a_refusal_is_exit_code_1(tmp_path: Path) -> None:
    done = _run(tmp_path, "--consumer", "narrow", "DELETE", MESSAGE)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == "refused: 403 not_allowed"
    assert "route     DELETE api /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}" in done.stdout


def test_json(tmp_path: Path) -> None:
    arguments = ("--json", "--consumer", "report", "POST", "/content/v1/Content")
    done = _run(tmp_path, *arguments, "--header", JSON, "--data", '{"a": 1}')
    said = json.loads(done.stdout)
    assert (said["verdict"], said["would_refuse"], said["rule"]) == ("sent", "not_allowed", None)
    assert said["sent"]["host"] == "content.twilio.com"
    assert said["sent"]["body"] == '{"a": 1}'
    assert {each["outcome"]: each["again"] for each in said["outcomes"]}["503"] is False


def test_the_deadline_is_that_of_the_client(tmp_path: Path) -> None:
    """The Go SDK gives up after 10 s; the caller of another client has the usual time."""
    arguments = ("--json", "--consumer", "narrow", "GET", MESSAGE)
    done = _run(tmp_path, *arguments, "--header", "User-Agent: twilio-go/1.30.9 (linux amd64) go/1.24.1")
    assert json.loads(done.stdout)["deadline_seconds"] == 9
    assert json.loads(_run(tmp_path, *arguments).stdout)["deadline_seconds"] == 25


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--consumer", "nobody", "GET", "/"), "no consumer is called 'nobody'; there are all, narrow"),
        (("--consumer", "all", "GET", "/", "--form", "a"), "--form takes NAME=VALUE"),
        (("--consumer", "all", "GET", "/", "--header", "a"), "--header takes 'NAME: VALUE'"),
        (("--consumer", "all", "GET", "/", "--admin", "here"), "--admin is a URL"),
        (("GET", "/"), "--consumer"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = _run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


async def test_limits_and_how_full_they_are(tmp_path: Path, upstream: RawUpstream) -> None:
    """Those that the call falls under; asked of a running gateway's admin port."""
    limits = [
        {"rate": "4/h", "burst": 4},
        {"rate": "9/s", "route": "POST api /2010-04-01/**"},
        {"rate": "5/s", "route": "GET verify /**"},
    ]
    consumers = {"all": consumer(KEYS["all"], limits=limits)}
    async with running_gateway(upstream.url, consumers=consumers) as gateway:
        assert (await ask(gateway.port, ROWS[0].data)).status == 200
        arguments = (
            "--json",
            "--admin",
            gateway.admin_url,
            "--consumer",
            "all",
            "POST",
            f"{ACCOUNT}/Calls.json",
        )
        done = await asyncio.to_thread(_run, tmp_path, *arguments, consumers=consumers)
    assert done.returncode == 0, done.stderr
    found = [(limit["name"], limit["text"], limit["used"]) for limit in json.loads(done.stdout)["limits"]]
    assert found == [
        ("all/0", "4 per 3600 s, burst 4", pytest.approx(0.25, abs=0.01)),
        ("all/1", "9 per 1 s, burst 9", 0.0),
    ]
