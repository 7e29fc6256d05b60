"""The project's own raw cases, kept as data in `cases/`: requests, what policy makes of them, and answers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, RawAnswer, ask, raw_caller, request
from tests.support.running import ACCOUNT_SID, Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, raw, raw_upstream

_CASES = Path(__file__).with_name("cases")
_BELOW_ONE_ACCOUNT = consumer(allow=["GET api /2010-04-01/**", "POST api /2010-04-01/**"])
_BROKEN = frozenset({502, 504})


def _load(name: str) -> list[Any]:
    cases = yaml.safe_load((_CASES / name).read_text("utf-8"))
    assert all(case["why"] for case in cases)
    assert len({case["id"] for case in cases}) == len(cases)
    return [pytest.param(case, id=case["id"]) for case in cases]


def _fill(text: str) -> str:
    names = {"AUTH": AUTHORIZATION, "HOST": "gateway.test", "MESSAGES": MESSAGES, "ACCOUNT": ACCOUNT_SID}
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@pytest.mark.parametrize("case", _load("requests.yaml"))
async def test_requests(case: dict[str, Any], gateway: Running, upstream: RawUpstream) -> None:
    if case.get("method") == "HEAD":
        upstream.then(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(_fill(case["raw"]).encode("latin-1"))
        answers = [await caller.answer(case.get("method", "GET")) for _ in range(case.get("answers", 1))]
        answer = answers[0]
        assert answer.status == case["status"]
        assert answer.slug == case.get("slug", answer.slug)
        assert bool(answer.slug) == (answer.status >= 400)
        wanted = [_fill(line) for line in case["upstream"]]
        assert [received.line for received in upstream.received] == wanted
        assert not upstream.broken
        if "body" in case:
            assert upstream.received[-1].body == case["body"].encode()
        if case.get("again") is True:
            await caller.send(request(f"GET {MESSAGES}?again"))
            assert (await caller.answer()).status == 200
            assert upstream.received[-1].line == f"GET {MESSAGES}?again HTTP/1.1"
        elif case.get("again") is False:
            assert await caller.rest() == b""
    assert all(received.values("authorization") != [AUTHORIZATION] for received in upstream.received), (
        "the consumer's key stays here"
    )


@pytest.mark.parametrize("case", _load("policy.yaml"))
async def test_policy(case: dict[str, Any]) -> None:
    form = case.get("form", "").encode()
    fields = (FORM,) if form else ()
    data = request(f"{case['method']} {_fill(case['target'])}", *fields, body=form)
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, consumers={"app": _BELOW_ONE_ACCOUNT}) as gateway,
    ):
        answer = await ask(gateway.port, data)
        assert (answer.status, answer.slug) == (case["status"], case.get("slug", ""))
        assert len(upstream.received) == (1 if case["status"] == 200 else 0)


@pytest.mark.parametrize("case", _load("answers.yaml"))
async def test_answers(case: dict[str, Any]) -> None:
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, retry={"max_attempts": 1}) as gateway,
    ):
        upstream.then(raw(case["raw"].encode("latin-1"), ends=case.get("ends", "keep")))
        answer = await _answer_or_none(gateway.port)
        if case.get("broken"):
            assert answer is None or answer.status in _BROKEN
        else:
            assert answer is not None
            assert (answer.status, answer.body) == (case["status"], case["body"].encode())
        assert (await ask(gateway.port, request(f"GET {MESSAGES}?after"))).body == b"{}"
        assert upstream.received[-1].line == f"GET {MESSAGES}?after HTTP/1.1"


async def _answer_or_none(port: int) -> RawAnswer | None:
    """The answer, or None where the connection broke off before its end."""
    try:
        return await ask(port, request(f"GET {MESSAGES}"))
    except (EOFError, ConnectionError):
        return None
