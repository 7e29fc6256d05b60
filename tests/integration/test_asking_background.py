"""Looks behind the callers' backs: few, rare, none where Twilio is away; and what a reload changes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.outcome_resolution.look_verdict import LookVerdict
from tests.support.asking import TEXT, Asking, asking_scene, asking_settings
from tests.support.attempts import until
from tests.support.moved_clock import passing_time
from tests.support.running import ENVIRON, configuration, consumer
from twilio_simulator import KeyKind, SimulatedKey

SHORT = "Gateway-Timeout: 3"
HOST = "api.twilio.com"


@pytest.fixture
async def scene() -> AsyncIterator[Asking]:
    async with asking_scene() as scene:
        yield scene


async def lose(scene: Asking, count: int) -> None:
    """Creates to different recipients, whose callers learn nothing: lists lag."""
    scene.simulator.faults.add("list-lag=5", method="GET")
    scene.simulator.faults.add("reset-after", method="POST", count=count)
    bodies = [TEXT.replace(b"0006", b"%04d" % number) for number in range(count)]
    answers = await asyncio.gather(*(scene.create(SHORT, body=body) for body in bodies))
    assert {each.value("Gateway-Outcome") for each in answers} == {"unknown"}


async def until_resolved(scene: Asking) -> None:
    resolver = scene.gateway.gateway.components.resolver
    async with passing_time(scene.clock):
        while resolver.pursued:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(1)


async def test_an_account_has_few_looks_at_once(scene: Asking) -> None:
    """A twentieth of a limit of 10 is one."""
    await lose(scene, 6)
    scene.simulator.faults.add("delay=0.5", method="GET")
    scene.simulator.gate.max_concurrent = 0
    await until_resolved(scene)
    assert scene.simulator.gate.max_concurrent == 1
    assert scene.gateway.gateway.components.resolver.resolved == {"found": 6}


async def test_there_is_no_look_while_twilio_cannot_be_reached(scene: Asking) -> None:
    await lose(scene, 1)
    breakers = scene.gateway.gateway.components.forwarder.breakers
    for _ in range(12):
        breakers.failed(HOST, time.monotonic(), "refused")
    async with passing_time(scene.clock):
        await asyncio.sleep(4)  # one that was under way has ended, with each of its lists
    made = len(scene.looks)
    async with passing_time(scene.clock):
        await asyncio.sleep(10)
    assert len(scene.looks) == made
    breakers.succeeded(HOST)
    await until_resolved(scene)
    assert scene.gateway.gateway.components.resolver.resolved == {"found": 1}


async def test_looks_become_rare(scene: Asking) -> None:
    """Ten minutes of them are some twenty."""
    await scene.create(SHORT, fault="second-sender, reset-after")
    async with passing_time(scene.clock, step=2):
        while scene.gateway.gateway.components.resolver.pursued:  # noqa: ASYNC110
            await asyncio.sleep(10)
    looks = scene.gateway.gateway.components.resolver.looks
    assert 5 < looks[LookVerdict.OPEN] < 30


async def test_pages_are_read_until_they_are_too_old(scene: Asking) -> None:
    """Many messages to one recipient, of other exchanges, moments before."""
    for number in range(110):
        other = await scene.create("Gateway-Repeat: allow", body=TEXT + b"%d" % number)
        assert other.status == 201
    assert (await scene.create(fault="reset-after")).value("Gateway-Outcome") == "found"
    pages = [each for each in scene.looks if "PageToken" in each.target]
    assert len(pages) == 2


async def reload(scene: Asking, path: Path, settings: dict[str, Any], **environ: str) -> None:
    """Apply another configuration, written to `path`."""
    text = yaml.safe_dump(configuration(scene.simulator.url, **settings))
    await asyncio.to_thread(path.write_text, text)
    await scene.gateway.gateway.apply(make_configuration(load_resolved(path, {**ENVIRON, **environ})))


async def test_what_is_open_is_found_after_a_key_is_replaced(scene: Asking, tmp_path: Path) -> None:
    """What it is compared by is digests by a secret of the credential's, which is another now."""
    await lose(scene, 2)
    new = SimulatedKey("SK" + "0a" * 16, "another-secret")
    scene.simulator.directory.add_key(ENVIRON["TWILIO_ACCOUNT_SID"], new)
    keys = [{"sid": new.sid, "secret": {"env": "NEW"}}]
    await reload(scene, tmp_path / "gateway.yaml", asking_settings(keys), NEW=new.secret)
    await until_resolved(scene)
    assert scene.gateway.gateway.components.resolver.resolved == {"found": 2}


async def test_what_is_open_is_found_after_its_credential_has_another_name(
    scene: Asking, tmp_path: Path
) -> None:
    await lose(scene, 1)
    settings = asking_settings()
    settings["credentials"]["other"] = settings["credentials"].pop("main")
    settings["consumers"] = {"app": consumer(credential="other")}
    await reload(scene, tmp_path / "gateway.yaml", settings)
    await until_resolved(scene)
    assert scene.gateway.gateway.components.resolver.resolved == {"found": 1}


async def test_another_create_to_the_recipient_counts_after_a_key_is_replaced(
    scene: Asking, tmp_path: Path
) -> None:
    """One was done: whose it is nobody can say."""
    scene.simulator.faults.add("list-lag=9", method="GET")
    first = await scene.create("Gateway-Timeout: 3", "Idempotency-Key: one", fault="reset-after")
    new = SimulatedKey("SK" + "0a" * 16, "another-secret")
    scene.simulator.directory.add_key(ENVIRON["TWILIO_ACCOUNT_SID"], new)
    keys = [{"sid": new.sid, "secret": {"env": "NEW"}}]
    await reload(scene, tmp_path / "gateway.yaml", asking_settings(keys), NEW=new.secret)
    second = await scene.create("Gateway-Timeout: 3", fault="reset-before")
    assert [each.value("Gateway-Outcome") for each in (first, second)] == ["unknown"] * 2
    async with passing_time(scene.clock):
        await asyncio.sleep(30)
    assert not scene.gateway.gateway.components.resolver.resolved


async def test_a_credential_that_no_longer_asks_is_left_alone(scene: Asking, tmp_path: Path) -> None:
    await lose(scene, 1)
    await reload(scene, tmp_path / "gateway.yaml", {})
    made = len(scene.looks)
    await until_resolved(scene)
    assert len(scene.looks) == made
    assert not scene.gateway.gateway.components.resolver.resolved


async def test_a_fault_of_ours_is_reported(scene: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = scene.gateway.gateway.components.resolver

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    scene.simulator.faults.add("list-lag=600", method="GET")  # a look that is under way finds nothing
    await scene.create(SHORT, fault="reset-after")
    monkeypatch.setattr(resolver._looks, "look", fail)
    await until_resolved(scene)

    def reported() -> list[str]:
        return [line["error"] for line in scene.gateway.log() if line["event"] == "internal error"]

    await until(lambda: bool(reported()))  # a thread writes the log
    assert reported() == ["ZeroDivisionError"]


@pytest.mark.parametrize("alone", [False, True])
async def test_a_key_that_may_not_list_is_followed_by_one_that_may(alone: bool) -> None:
    """A restricted key that may only send; it is held to be as good as before."""
    main = configuration("http://127.0.0.1:1")["credentials"]["main"]
    sending = SimulatedKey(
        "SK" + "0a" * 16,
        "may-only-send",
        KeyKind.RESTRICTED,
        ("/twilio/messaging/messages/create",),
    )
    first = {"sid": sending.sid, "secret": {"env": "SENDING"}}
    keys = [first] if alone else [first, *main["keys"]]
    async with asking_scene({"SENDING": sending.secret}, keys=keys) as scene:
        scene.simulator.directory.add_key(ENVIRON["TWILIO_ACCOUNT_SID"], sending)
        answer = await scene.create(fault="reset-after")
        assert answer.value("Gateway-Outcome") == ("unknown" if alone else "found")
        assert len(scene.looks) == (1 if alone else 2)
        assert not [line for line in scene.gateway.log() if "credential key" in line["event"]]


async def test_a_create_that_waits_for_its_turn_is_not_looked_for() -> None:
    """It was not sent yet: there is nothing to be found, and Twilio is busy as it is."""
    async with asking_scene(concurrency={"initial": 1, "ceiling": 1}) as scene:
        scene.simulator.faults.add("delay=12", method="POST", count=1)
        others = TEXT.replace(b"0006", b"0007")
        first = asyncio.create_task(scene.create("Gateway-Timeout: 40", body=others))
        await scene.simulator.journal.arrived()
        second = await scene.create("Gateway-Timeout: 4")
        assert (second.status, second.slug) == (429, "queue_timeout")
        assert scene.looks == []
        assert (await first).status == 201


@pytest.mark.parametrize("field", ["Idempotency-Key: one", "Gateway-Repeat: allow"])
async def test_what_is_never_held_leaves_the_guard_its_room(field: str) -> None:
    async with asking_scene(repeat_guard={"max_entries": 1}) as scene:
        scene.simulator.faults.add("list-lag=10", method="GET")
        assert (await scene.create(field, fault="reset-after")).status == 502
        assert scene.gateway.gateway.components.resolver.pursued == 1
        assert (await scene.create()).status == 201
