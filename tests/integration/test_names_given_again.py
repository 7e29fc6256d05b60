"""Row B16: a consumer's name is given to another one with another key, while outcomes of creates are open."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.repeat_guard import ASKING, GuardReplica, created, lost
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, digest, running_gateway
from tests.support.upstream import RawUpstream, raw, reply

FORMER = ASKING._replace(identities=("a" * 16, "b" * 16))
ROTATED = ASKING._replace(identities=("b" * 16, "c" * 16))
ANOTHER = ASKING._replace(identities=("d" * 16, "e" * 16))
TEXT = b"To=%2B15005550006&From=%2B15005550001&Body=hi"
NEXT = "its-next-key-0123456789"


def intent_key(replica: GuardReplica) -> str:
    """The only one."""
    (name,) = (each for each in replica.server.names() if ":intent:" in each)
    return name


async def test_b16_an_open_outcome_in_the_store_is_not_another_consumers(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    assert await guard_one.create(lost(), intent=FORMER) == "upstream_lost"
    await guard_one.written()
    assert await guard_two.create(intent=ANOTHER) == "sent 201"
    await guard_two.written()
    assert not [each for each in guard_one.server.names() if ":intent:" in each]
    assert guard_two.events == []


@pytest.mark.parametrize("again", [FORMER, ROTATED, ASKING], ids=["same", "rotated", "unknown"])
async def test_b16_a_consumer_that_shares_an_identity_is_held_by_the_store(
    guard_one: GuardReplica, guard_two: GuardReplica, again: object
) -> None:
    assert isinstance(again, type(ASKING))
    assert await guard_one.create(lost(), intent=FORMER) == "upstream_lost"
    await guard_one.written()
    assert await guard_two.create(intent=again, seconds=0.2) == "repeat_unknown"


async def test_b16_what_the_previous_release_entered_is_held_for_anybody_of_its_name(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """Its records name no identity."""
    assert await guard_one.create(lost(), intent=FORMER) == "upstream_lost"
    await guard_one.written()
    assert guard_one.server.client.hdel(intent_key(guard_one), "identities") == 1
    assert await guard_two.create(intent=ANOTHER, seconds=0.2) == "repeat_unknown"


async def test_b16_an_answer_in_the_store_is_not_another_consumers(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    assert await guard_one.create(created("SM1"), intent=FORMER, connected=False) == "sent 201"
    await guard_one.written()
    assert await guard_two.create(created("SM2"), intent=ANOTHER) == "sent 201"


async def test_b16_a_store_that_forgot_is_told_whose_it_was(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """The end is written anew, with the identities."""
    async with guard_one.hold(FORMER) as hold:
        guard_one.server.client.flushall()
        hold.answered(created("SM1"))
    await guard_one.written()
    assert (
        guard_one.server.client.hget(intent_key(guard_one), "identities")
        == " ".join(FORMER.identities).encode()
    )
    assert await guard_two.create(created("SM2"), intent=ANOTHER) == "sent 201"


async def test_b16_a_flight_of_a_former_consumer_is_waited_for(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    async with guard_one.hold(FORMER) as hold:
        assert await guard_two.create(intent=ANOTHER, seconds=0.2) == "repeat_in_flight"
        hold.answered(created())
        hold.delivered()
    assert guard_two.events == [RepeatEvent.WAITED, RepeatEvent.IN_FLIGHT]


async def create(gateway: Running, key: str) -> RawAnswer:
    return await ask(gateway.port, request(f"POST {MESSAGES}", FORM, auth=f"Bearer {key}", body=TEXT))


CHANGES = {
    "given to another": (consumer(NEXT), 200, ""),
    "rotated": (consumer(keys=[digest(KEY), digest(NEXT)]), 502, "repeat_unknown"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_b16_a_reload_gives_a_name_to_another_consumer(
    upstream: RawUpstream, tmp_path: Path, change: str
) -> None:
    """Its create is sent; one that has a key more than before is held, whichever of its keys it shows."""
    after, status, slug = CHANGES[change]
    async with running_gateway(upstream.url) as gateway:
        upstream.then(raw(ends="reset")).then(reply(b"{}"))
        assert (await create(gateway, KEY)).slug == "upstream_lost"
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(configuration(upstream.url, consumers={"app": after})))
        await gateway.gateway.apply(make_configuration(load_resolved(path, ENVIRON)))
        answered = await create(gateway, NEXT)
        assert (answered.status, answered.slug) == (status, slug)
        assert len(upstream.received) == (2 if status == 200 else 1)


SEGMENTS = b'{"sid": "SM00112233445566778899aabbccddeeff", "num_segments": "3", "to": "+4915112345678"}'


@pytest.mark.parametrize("gone", [False, True], ids=["at_once", "after_a_while"])
async def test_b16_usage_is_not_that_of_a_former_consumer_of_the_name(
    upstream: RawUpstream, tmp_path: Path, gone: bool
) -> None:
    """`/-/usage` of the consumer that has the name now; one that has a key more keeps its figures."""

    async def reload(gateway: Running, **consumers: object) -> None:
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(configuration(upstream.url, consumers=consumers)))
        await gateway.gateway.apply(make_configuration(load_resolved(path, ENVIRON)))

    async def figures(gateway: Running, key: str) -> tuple[int, int, dict[str, int]]:
        found = json.loads((await ask(gateway.port, request("GET /-/usage", auth=f"Bearer {key}"))).body)
        recent = found["recent"]
        return recent["requests"], recent["errors"], found["since_start"]["segments"]

    async with running_gateway(upstream.url) as gateway:
        upstream.then(reply(SEGMENTS, status="201 Created"), reply(b'{"code": 1}', status="400 Bad Request"))
        assert (await create(gateway, KEY)).status == 201
        await ask(gateway.port, request(f"GET {MESSAGES}"))
        assert await figures(gateway, KEY) == (2, 1, {"DE": 3})
        await reload(gateway, app=consumer(keys=[digest(KEY), digest("gw_one-more-key-0123456789")]))
        assert await figures(gateway, KEY) == (2, 1, {"DE": 3})
        if gone:
            await reload(gateway, other=consumer("gw_another-consumers-key-0123456789"))
        await reload(gateway, app=consumer(NEXT))
        assert await figures(gateway, NEXT) == (0, 0, {})
        upstream.then(reply(SEGMENTS, status="201 Created"))
        assert (await create(gateway, NEXT)).status == 201
        async with asyncio.timeout(120):
            while await figures(gateway, NEXT) != (1, 0, {"DE": 3}):  # noqa: ASYNC110 - an answer holds a second
                await asyncio.sleep(0.05)
