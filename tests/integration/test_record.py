"""What the record of an exchange names, in the log and at /api/exchanges: who, with which key, what, by which
rule, and how it ended."""

import asyncio
import gzip
import hashlib
import json
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import KEY, Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, Step, reply

SID, OTHER = "SM" + "0a" * 16, "SM" + "1b" * 16
CREATED = json.dumps({"body": "hi", "sid": SID}).encode()
XML = f"<TwilioResponse><Message><Sid>{SID}</Sid></Message></TwilioResponse>".encode()
SDK = "User-Agent: twilio-python/9.13.0 (Linux x86_64)"


def create(number: int = 0) -> bytes:
    return request(f"POST {MESSAGES}", FORM, SDK, body=b"To=%%2B1500555%04d&Body=hi" % number)


async def fetched(gateway: Running) -> list[dict[str, Any]]:
    """/api/exchanges, the oldest first."""

    def fetch() -> list[dict[str, Any]]:
        with urlopen(f"{gateway.admin_url}/api/exchanges") as answered:
            found: list[dict[str, Any]] = json.load(answered)["exchanges"][::-1]
            return found

    return await asyncio.to_thread(fetch)


async def test_the_record_says_who_did_what_by_which_rule(upstream: RawUpstream) -> None:
    given = consumer(allow=["messages:send", "GET api /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}"])
    async with running_gateway(upstream.url, consumers={"app": given}) as gateway:
        upstream.then(reply(CREATED, status="201 Created"))
        assert (await ask(gateway.port, create())).status == 201
        for _ in range(2):
            path = MESSAGES.replace(".json", f"/{OTHER}.json")
            assert (await ask(gateway.port, request(f"GET {path}"))).status == 200
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).slug == "not_allowed"
        sent, read, again, refused = await gateway.exchange_logged(4)
        shown = await fetched(gateway)
    assert sent["consumer_key"] == hashlib.sha256(KEY.encode()).hexdigest()[:8]
    assert (sent["address"], sent["credential"], sent["sdk"]) == ("127.0.0.1", "main", "twilio-python/9.13.0")
    assert (sent["rule"], sent["created_sid"], "resource_sid" in sent) == ("messages:send", SID, False)
    assert sent["key"].startswith("SK")
    assert len(sent["key"]) == 11
    assert (read["rule"], read["resource_sid"]) == (given["allow"][1], OTHER)
    assert "created_sid" not in read
    assert [again[name] for name in ("rule", "resource_sid", "consumer_key")] == [
        read[name] for name in ("rule", "resource_sid", "consumer_key")
    ]
    assert (refused["rule"], refused["consumer_key"]) == ("allow", sent["consumer_key"])
    names = ("consumer_key", "address", "credential", "key", "rule", "limit", "resource_sid", "created_sid")
    for line, row in zip((sent, read, again, refused), shown, strict=True):
        assert [line.get(name, "") for name in names] == [row[name] for name in names]


@pytest.mark.parametrize(
    "step",
    [
        reply(CREATED, status="201 Created"),
        reply(XML, status="201 Created", fields=("Content-Type: application/xml",)),
        reply(gzip.compress(CREATED), status="201 Created", fields=("Content-Encoding: gzip",)),
        reply(CREATED, status="200 OK"),
    ],
    ids=["json", "xml", "gzip", "200"],
)
async def test_the_created_sid_is_read_from_the_answer(upstream: RawUpstream, step: Step) -> None:
    async with running_gateway(upstream.url) as gateway:
        upstream.then(step)
        await ask(gateway.port, create())
        (line,) = await gateway.exchange_logged(1)
    assert line["created_sid"] == SID


async def test_an_update_creates_nothing(gateway: Running, upstream: RawUpstream) -> None:
    upstream.then(reply(CREATED))
    path = MESSAGES.replace(".json", f"/{SID}.json")
    await ask(gateway.port, request(f"POST {path}", FORM, body=b"Body="))
    (line,) = await gateway.exchange_logged(1)
    assert (line["resource_sid"], "created_sid" in line) == (SID, False)


async def test_the_limit_that_refused_or_delayed(upstream: RawUpstream) -> None:
    limits = [{"name": "slow", "rate": "1/s", "burst": 1, "max_wait_seconds": 1.5}]
    async with running_gateway(upstream.url, consumers={"app": consumer(limits=limits)}) as gateway:
        answers = await asyncio.gather(*[ask(gateway.port, create(number)) for number in range(6)])
        lines = await gateway.exchange_logged(6)
    assert {200, 429} == {answered.status for answered in answers}
    told = sorted((line["status"], line.get("limit", "")) for line in lines)
    assert told[0] == (200, "")
    assert set(told[1:]) == {(200, "app/slow"), (429, "app/slow")}


async def test_addresses_are_recorded_nowhere_if_they_are_switched_off(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, log={"addresses": False}) as gateway:
        await ask(gateway.port, create())
        await ask(gateway.port, request(f"GET {MESSAGES}", auth="Bearer nobody-knows-it"))
        await ask(gateway.port, b"no request\r\n\r\n")
        lines = await gateway.exchange_logged(3)
        rows = await fetched(gateway)
    assert not any("address" in line for line in lines)
    assert {row["address"] for row in rows} == {""}


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("ecs", {"@timestamp", "log.level", "ecs.version", "message"}),
        ("gcp", {"severity", "time", "message"}),
    ],
)
async def test_a_gateway_writes_every_line_in_the_schema(
    upstream: RawUpstream, schema: str, names: set[str]
) -> None:
    async with running_gateway(upstream.url, log={"schema": schema}) as gateway:
        await ask(gateway.port, create())
    lines = gateway.log()
    assert {"serving", "exchange", "stopped"} <= {line["message"] for line in lines}
    assert all(names <= line.keys() for line in lines)
    assert not [line for line in lines if {"event", "level", "timestamp"} & line.keys() and schema == "gcp"]
