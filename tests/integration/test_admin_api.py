"""What the admin port's API says agrees with what was sent, and with the log."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.moved_clock import noted_stalls
from tests.support.running import ACCOUNT_SID, Running
from tests.support.upstream import RawUpstream, reply

MASKED = f"{ACCOUNT_SID[:6]}…{ACCOUNT_SID[-4:]}"


async def get(gateway: Running, path: str, status: int = 200) -> Any:
    """The JSON at a path of the admin port."""
    async with aiohttp.ClientSession() as session, session.get(gateway.admin_url + path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type="application/json")


async def send_some(gateway: Running, upstream: RawUpstream) -> None:
    """A read that works, a POST that Twilio refuses, one after a signal, and one refused by us."""
    await ask(gateway.port, request(f"GET {MESSAGES}?To=%2B15558675309"))
    upstream.then(reply(b'{"code": 21211}', status="400 Bad Request"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=1"))
    upstream.then(reply(b'{"code": 20429}', status="429 Too Many"), reply(b"{}", status="201 Created"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, "X-Request-Id: third", body=b"To=1"))
    await ask(gateway.port, request(f"GET {MESSAGES}", auth="Bearer nobody-knows-this-key"))


async def test_exchanges_agree_with_the_log(gateway: Running, upstream: RawUpstream) -> None:
    """Field by field; newest first."""
    await send_some(gateway, upstream)
    lines = await gateway.exchange_logged(4)
    shown = (await get(gateway, "/api/exchanges"))["exchanges"]
    assert [each["seq"] for each in shown] == sorted((each["seq"] for each in shown), reverse=True)
    for line, each in zip(lines, reversed(shown), strict=True):
        for name in (
            "request_id",
            "method",
            "product",
            "route",
            "status",
            "attempts",
            "bytes_in",
            "bytes_out",
        ):
            assert each[name] == line[name], name
        for name in ("seconds", "upstream_seconds", "queue_seconds", "overhead_seconds"):
            assert each[name] == line[name], name
        assert each["slug"] == line.get("gateway_error", "")
        assert each["twilio_code"] == line.get("twilio_code", 0)
    third = await get(gateway, "/api/exchanges/third")
    assert [(step["kind"], step["status"], step["then"]) for step in third["steps"] if step["status"]] == [
        ("attempt", 429, "requeue"),
        ("attempt", 201, ""),
    ]
    assert third["account"] == MASKED
    assert third["steps"][0]["offset"] >= 0


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("status=4xx", [401, 400]),
        ("status=201", [201]),
        ("consumer=app", [201, 400, 200]),
        ("consumer=(unknown)", [401]),
        ("code=21211", [400]),
        ("slug=unknown_consumer", [401]),
        ("request_id=third", [201]),
        ("route=messages", [201, 400, 200]),
        (f"account={ACCOUNT_SID}", [201, 400, 200]),
        ("limit=1", [401]),
        ("consumer=&limit=2", [401, 201]),
    ],
)
async def test_filters(gateway: Running, upstream: RawUpstream, query: str, statuses: list[int]) -> None:
    await send_some(gateway, upstream)
    found = await get(gateway, f"/api/exchanges?{query}")
    assert [each["status"] for each in found["exchanges"]] == statuses


async def test_pages_by_number(gateway: Running, upstream: RawUpstream) -> None:
    """`after` and `before` cut without overlap."""
    await send_some(gateway, upstream)
    found = await get(gateway, "/api/exchanges")
    numbers = [each["seq"] for each in found["exchanges"]]
    assert found["last_seq"] == numbers[0]
    older = await get(gateway, f"/api/exchanges?before={numbers[1]}")
    newer = await get(gateway, f"/api/exchanges?after={numbers[1]}")
    assert [each["seq"] for each in older["exchanges"]] == numbers[2:]
    assert [each["seq"] for each in newer["exchanges"]] == numbers[:1]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=2001", "status=6xx", "status=4", "nonsense=1", "slug=no", "code=a",
     "account=AC1", "after=-1", "consumer=%00", "limit=1&limit=2"],
)  # fmt: skip
async def test_bad_parameters_are_told(gateway: Running, query: str) -> None:
    """400, with what is accepted."""
    assert "error" in await get(gateway, f"/api/exchanges?{query}", 400)


async def test_tables(gateway: Running, upstream: RawUpstream) -> None:
    """Counts by consumer, route, code, slug; the credential's key."""
    await send_some(gateway, upstream)
    consumers = {each["name"]: each for each in (await get(gateway, "/api/consumers"))["consumers"]}
    assert (consumers["app"]["requests"], consumers["app"]["errors"], consumers["app"]["refusals"]) == (
        3,
        1,
        0,
    )
    assert (consumers["(unknown)"]["requests"], consumers["(unknown)"]["refusals"]) == (1, 1)
    assert consumers["app"]["p50"] <= consumers["app"]["p95"]
    routes = (await get(gateway, "/api/routes"))["routes"]
    assert [(each["method"], each["requests"], each["errors"]) for each in routes] == [
        ("POST", 2, 1),
        ("GET", 1, 0),
    ]
    codes = await get(gateway, "/api/codes")
    assert [(each["code"], each["count"]) for each in codes["codes"]] == [(21211, 1)]
    assert [(each["slug"], each["count"]) for each in codes["slugs"]] == [("unknown_consumer", 1)]
    (credential,) = (await get(gateway, "/api/credentials"))["credentials"]
    assert credential["account"] == MASKED
    (key,) = credential["keys"]
    assert (key["in_use"], key["aside"], key["refused"], key["last_401_at"]) == (True, False, 0, None)
    assert key["first_used_at"] > 0


async def test_state(gateway: Running, upstream: RawUpstream) -> None:
    """Serving, with the account's gate."""
    await send_some(gateway, upstream)
    state = await get(gateway, "/api/state")
    assert (state["state"], state["why"], state["store"]["kind"]) == ("serving", [], "memory")
    (account,) = state["accounts"]
    assert (account["account"], account["product"], account["signals"]) == (MASKED, "api", 1)
    assert (account["in_flight"], account["queued"], state["in_flight"]) == (0, 0, 0)


@asynccontextmanager
async def events(gateway: Running, query: str = "") -> AsyncIterator["asyncio.Queue[tuple[str, Any]]"]:
    """A stream's events as they come."""
    found: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def read(answer: aiohttp.ClientResponse) -> None:
        name = ""
        async for line in answer.content:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                found.put_nowait((name, json.loads(value)))

    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20) as session,
        session.get(f"{gateway.admin_url}/api/events{query}") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        reading = asyncio.create_task(read(answer))
        yield found
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def seconds_of_history(gateway: Running) -> dict[int, Counter[str]]:
    """What each second had, by its time."""
    told = await get(gateway, "/api/history")
    columns = (told["rates"]["2xx"], told["rates"]["4xx"], told["signals"])
    return {
        t: Counter({"2xx": answered, "4xx": refused, "signals": signals})
        for t, answered, refused, signals in zip(told["t"], *columns, strict=True)
    }


async def test_events(gateway: Running, upstream: RawUpstream) -> None:
    """A tick at once, then the exchanges that match, then history that has them."""
    async with asyncio.timeout(120), noted_stalls() as stalls, events(gateway, "?status=4xx") as stream:
        name, tick = await stream.get()
        assert (name, tick["state"]["state"]) == ("tick", "serving")
        await send_some(gateway, upstream)
        seen: list[int] = []
        seconds: dict[int, Counter[str]] = {}
        counted: Counter[str] = Counter()
        while len(seen) < 2 or counted["4xx"] < 2 or counted["2xx"] < 2:
            name, content = await stream.get()
            if name == "exchanges":  # newest first, within each
                seen = [*(each["status"] for each in content["exchanges"]), *seen]
                assert content["skipped"] == 0
            else:
                point = content["point"]
                rates = point["rates"]
                seconds[point["t"]] = Counter(
                    {"2xx": rates["2xx"], "4xx": rates["4xx"], "signals": point["signals"]}
                )
                if stalls:  # seconds that passed meanwhile have no tick of their own
                    seconds = await seconds_of_history(gateway) | seconds
                counted = sum(seconds.values(), Counter())
        assert seen == [401, 400]
        assert counted == {"2xx": 2, "4xx": 2, "signals": 1}
    history = await get(gateway, "/api/history")
    assert sum(history["rates"]["4xx"]) == 2
    assert len(history["t"]) == len(history["total"]["p99"]) == len(history["queued"])
    (series,) = history["accounts"].values()
    assert len(series["limit"]) == len(history["t"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/static/index.html", 200),
        ("/static/nothing.js", 404),
        ("/static/..%2fserver.py", 404),
        ("/api/nothing", 404),
        ("/api/exchanges?x=1", 400),
        ("/api/exchanges/nobody", 404),
        ("/readyz", 200),
        ("/livez", 200),
        ("/metrics", 200),
    ],
)
async def test_strict_headers_on_every_answer(gateway: Running, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.get(gateway.admin_url + path) as answer:
        assert answer.status == status
        assert answer.headers["Server"] == "twilio-gateway"  # no version
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_the_page_is_known_again(gateway: Running) -> None:
    """By its ETag."""
    async with aiohttp.ClientSession() as session:
        async with session.get(gateway.admin_url) as answer:
            tag = answer.headers["ETag"]
        async with session.get(gateway.admin_url, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304


async def test_an_only_key_that_twilio_refuses_degrades(gateway: Running, upstream: RawUpstream) -> None:
    """All traffic fails, so the page must not say that all is well; nor that it is not, of a single 401."""
    refused = reply(b'{"code": 20003, "status": 401}', status="401 Unauthorized")
    upstream.then(*[refused] * 4)
    for _ in range(5):
        await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert (await get(gateway, "/api/state"))["why"] == []
    upstream.then(*[refused] * 5, reply(b'{"code": 20404}', status="404 Not Found"))
    for _ in range(5):
        await ask(gateway.port, request(f"GET {MESSAGES}"))
    ready = await get(gateway, "/readyz")
    assert (ready["ready"], ready["state"]) == (True, "degraded")
    (why,) = ready["why"]
    assert re.fullmatch("key SK.{4}….{4} of credential main: Twilio answered its last 5 attempts 401", why)
    await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert (await get(gateway, "/api/state"))["state"] == "serving"
