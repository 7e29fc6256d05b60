"""`/-/usage` on the data port: a consumer reads its own limits, use, errors and keys, nothing of others."""

import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.failure_throttle import BURST
from tests.support.authority import make_authority, trusting_root
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, ask_admin, raw_caller, request
from tests.support.redis import RedisServer, redis_server
from tests.support.running import KEY, Running, consumer, digest, running_gateway
from tests.support.tunnel import tunnel
from tests.support.upstream import RawUpstream, reply

OTHER_KEY = "gw_test-key-of-the-consumer-called-other-9999"
USAGE = "GET /-/usage"
SENT = b'{"sid": "SM00112233445566778899aabbccddeeff", "num_segments": "3", "to": "+4915112345678"}'
CONSUMERS = {
    "app": consumer(
        keys=[digest(KEY), {"digest": digest("gw_second-key-0123456789"), "expires": "2099-01-01T00:00:00Z"}],
        limits=[{"name": "all", "rate": "10/m"}, {"rate": "5/m", "per": "destination"}],
    ),
    "other": consumer(OTHER_KEY, limits=[{"rate": "7/h"}], allow=["messages:read"]),
}
OTHER = f"Bearer {OTHER_KEY}"


@pytest.fixture
async def gateway(upstream: RawUpstream, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(
        upstream.url, ca=make_authority(tmp_path / "pki"), consumers=CONSUMERS
    ) as running:
        yield running


def read(answer: RawAnswer) -> dict[str, Any]:
    assert (answer.status, answer.slug) == (200, "")
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def usage(gateway: Running, **more: Any) -> dict[str, Any]:
    return read(await ask(gateway.port, request(USAGE, **more)))


async def test_own_limits_use_segments_errors_and_keys(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(
        reply(SENT, status="201 Created"), reply(b'{"code": 21211}', status="400 Bad Request"), reply(b"{}")
    )
    for body in (b"To=%2B4915112345678&From=%2B1&Body=a", b"To=%2B4915112345678&From=%2B1&Body=b"):
        await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=body))
    await ask(gateway.port, request("GET /2010-04-01/Accounts.json"))
    await ask(gateway.port, request(f"GET {MESSAGES}", auth=OTHER))
    found = await usage(gateway)
    assert found["consumer"] == "app"
    assert [(each["name"], each["rate"], each["per"]) for each in found["limits"]] == [
        ("all", "10/m", "consumer"),
        ("1", "5/m", "destination"),
    ]
    assert 0.15 < found["limits"][0]["used"] <= 0.2
    assert found["limits"][1]["used"] is None
    recent = found["recent"]
    assert (recent["requests"], recent["errors"], recent["refusals"]) == (3, 2, 1)
    assert [(each["code"], each["count"]) for each in recent["codes"]] == [(21211, 1)]
    assert [(each["slug"], each["count"]) for each in recent["slugs"]] == [("management_endpoint", 1)]
    assert recent["slugs"][0]["more_info"].endswith("#management_endpoint")
    assert found["since_start"]["segments"] == {"DE": 3}
    assert [each["expires"] for each in found["keys"]] == [None, 4070908800.0]
    used, unused = found["keys"]
    assert used["key"] == digest(KEY)[: len("sha256:") + 8]
    assert used["seen_at"] <= used["first_used"] <= used["last_used"] <= found["now"]
    assert (unused["first_used"], unused["last_used"], unused["idle"]) == (None, None, False)
    assert "addresses" not in used
    assert found["stopped"] == []


async def test_nothing_of_others_and_no_secret(gateway: Running) -> None:
    await ask(gateway.port, request("GET /2010-04-01/Accounts.json"))
    answer = await ask(gateway.port, request(USAGE, auth=OTHER))
    found = read(answer)
    assert (found["consumer"], found["recent"]["requests"]) == ("other", 0)
    assert [each["rate"] for each in found["limits"]] == ["7/h"]
    text = answer.head.decode() + answer.body.decode()
    for foreign in ('"app"', "management_endpoint", "10/m", digest(KEY)[7:15], OTHER_KEY, "AC00", "SK00"):
        assert foreign not in text


async def test_it_is_no_traffic_of_twilio(gateway: Running, upstream: RawUpstream) -> None:
    """Not relayed, no limit spent, not among the consumer's own requests; but logged and counted as ours."""
    for _ in range(3):
        found = await usage(gateway)
    assert upstream.received == []
    assert found["recent"]["requests"] == 0
    assert found["limits"][0]["used"] == 0
    lines = await gateway.exchange_logged(3)
    assert {(line["consumer"], line["product"], line["route"], line["status"]) for line in lines} == {
        ("app", "gateway", "/-/usage", 200)
    }
    admin_port = int(gateway.admin_url.rpartition(":")[2])
    page = json.loads((await ask_admin(admin_port, "/api/consumers/app")).body)
    assert page["addresses"] == []
    metrics = await ask_admin(admin_port, "/metrics")
    assert re.search(
        rb'^gateway_requests_total\{.*product="gateway",route="/-/usage".*\} 3', metrics.body, re.M
    )
    attempts = re.findall(r"^gateway_attempts_total\{.*\} (.*)$", metrics.body.decode(), re.M)
    assert attempts
    assert set(map(float, attempts)) == {0}


async def test_who_may_not_gets_the_usual_answers(gateway: Running) -> None:
    unknown = request(USAGE, auth="Bearer gw_a-key-that-nobody-has")
    assert (await ask(gateway.port, request(USAGE, auth=None))).slug == "missing_key"
    async with raw_caller(gateway.port) as caller:
        for _ in range(BURST):
            await caller.send(unknown)
            answer = await caller.answer()
            assert (answer.status, answer.slug) == (401, "unknown_consumer")
    slugs = {(await ask(gateway.port, unknown)).slug for _ in range(10)}
    assert "too_many_failures" in slugs
    assert (await usage(gateway))["consumer"] == "app"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_wrong_methods(gateway: Running, upstream: RawUpstream, method: str) -> None:
    answer = await ask(gateway.port, request(f"{method} /-/usage", FORM, body=b"a=1"))
    assert (answer.status, answer.slug, answer.value("Allow")) == (405, "method_not_allowed", "GET, HEAD")
    assert upstream.received == []


async def test_head_forms_of_the_target_and_a_kept_connection(gateway: Running) -> None:
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(USAGE))
        whole = await caller.answer()
        await caller.send(request("HEAD /-/usage"))
        head = await caller.answer("HEAD")
        assert (head.status, head.value("Content-Type")) == (200, "application/json")
        assert (whole.value("Cache-Control"), whole.value("Gateway-Attempts")) == ("no-store", "0")
        for target in ("/-/usage?a=1", f"http://127.0.0.1:{gateway.port}/-/usage"):
            await caller.send(request(f"GET {target}"))
            assert read(await caller.answer())["consumer"] == "app"
    for path in ("/-/usage/", "/-/other", "/-"):
        assert (await ask(gateway.port, request(f"GET {path}"))).slug == "unknown_address"


async def test_inside_a_tunnel(gateway: Running, tmp_path: Path, upstream: RawUpstream) -> None:
    trusting: ssl.SSLContext = trusting_root(tmp_path / "pki")
    async with tunnel(gateway.port, trusting) as caller:
        await caller.send(request(USAGE).replace(b"Host: gateway.test", b"Host: api.twilio.com"))
        assert read(await caller.answer())["consumer"] == "app"
    assert upstream.received == []


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def test_the_use_of_shared_limits(redis: RedisServer, upstream: RawUpstream) -> None:
    """What one replica spent the other one tells; while the store is away, what it counts itself."""
    settings: dict[str, Any] = {"consumers": CONSUMERS, "store": redis.url}
    async with (
        running_gateway(upstream.url, **settings) as one,
        running_gateway(upstream.url, **settings) as two,
    ):
        for _ in range(4):
            assert (await ask(one.port, request(f"GET {MESSAGES}"))).status == 200
        assert 0.3 < (await usage(two))["limits"][0]["used"] <= 0.4


async def api(gateway: Running, path: str) -> Any:
    answer = await ask_admin(int(gateway.admin_url.rpartition(":")[2]), path)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


async def test_the_page_of_a_consumer(gateway: Running, upstream: RawUpstream) -> None:
    """Rules, keys with their last use, callers; what ends; what our errors mean. Filters by key and SID."""
    await ask(gateway.port, request(f"GET {MESSAGES}", "User-Agent: twilio-python/9.8.1"))
    await ask(gateway.port, request(f"GET {MESSAGES}", auth=OTHER))
    found = await api(gateway, "/api/consumers/app")
    assert (found["credential"], found["rules"], found["latest"]) == ("main", ["* * /**"], 1)
    assert [(each["address"], each["calls"]) for each in found["addresses"]] == [("127.0.0.1", 1)]
    used, unused = found["keys"]
    assert used["seen_at"] <= used["first_used"] == used["last_used"] <= found["now"]
    assert (unused["first_used"], unused["last_used"], unused["expires"]) == (None, None, 4070908800.0)
    assert found["keys"] == (await api(gateway, "/api/keys?consumer=app"))["keys"]
    assert (found["former"], found["keys_kept"]) == ([], "memory")
    expiring = (await api(gateway, "/api/expiring"))["expiring"]
    assert [(each["kind"], each["consumer"]) for each in expiring if each["kind"] == "key"] == [
        ("key", "app")
    ]
    errors = (await api(gateway, "/api/errors"))["errors"]
    assert errors["rate_limited"]["more_info"].endswith("#rate_limited")
    assert (await api(gateway, "/api/changes")) == {"last": None}
    assert (await api(gateway, "/api/repeats")) == {"repeats": [], "note": ""}
    key = found["keys"][0]["key"].removeprefix("sha256:")
    for query, count in (
        (f"key={key}", 1),
        ("key=00000000", 0),
        ("sdk=twilio-python", 1),
        ("since=9999999999", 0),
    ):
        assert len((await api(gateway, f"/api/exchanges?{query}"))["exchanges"]) == count, query
    assert (await ask_admin(int(gateway.admin_url.rpartition(":")[2]), "/api/consumers/none")).status == 404
