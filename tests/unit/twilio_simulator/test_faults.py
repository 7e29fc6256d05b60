"""Which faults a request meets: the grammar, the standing rules, the limit and the service time."""

from __future__ import annotations

import asyncio
from random import Random

import aiohttp
import pytest

from tests.unit.twilio_simulator.conftest import (
    ACCOUNTS,
    MAIN,
    MESSAGE,
    NOW,
    OTHER,
    Caller,
    account_path,
    basic,
)
from twilio_simulator import FAULTS, Faults, FaultSyntaxError, Simulator
from twilio_simulator.faults import read_faults, write_faults

MESSAGES = account_path("/Messages.json")


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("", {}),
        ("hang", {"hang": ""}),
        (" status = 503 , retry-after=2 ", {"status": "503", "retry-after": "2"}),
        ("429", {"429": ""}),
        ("429=60203", {"429": "60203"}),
        ("delay=0.25,", {"delay": "0.25"}),
        ("retry-after=Wed, 21 Oct", None),
        ("nonsense", None),
        ("hang=1", None),
        ("status", None),
        ("status=200", None),
        ("status=99999999999", None),
        ("delay", None),
        ("delay=-1", None),
        ("delay=1.2.3", None),
        ("429=x", None),
        ("retry-after", None),
    ],
)
def test_grammar(text: str, plan: dict[str, str] | None) -> None:
    if plan is None:
        with pytest.raises(FaultSyntaxError):
            read_faults(text)
    else:
        assert read_faults(text) == plan
        assert read_faults(write_faults(plan)) == plan


def test_every_fault_has_an_explanation() -> None:
    assert all(text for text in FAULTS.values())


def test_rules_match_count_and_add_up() -> None:
    faults = Faults(Random(0))
    faults.add("status=503", method="post", path="/Messages", count=2)
    faults.add("delay=1", host="api.twilio.com")
    posted = [faults.plan(None, "POST", MESSAGES, "api.twilio.com") for _ in range(3)]
    assert posted == [{"status": "503", "delay": "1"}] * 2 + [{"delay": "1"}]
    assert faults.plan(None, "GET", MESSAGES, "verify.twilio.com") == {}
    assert faults.plan("delay=9", "GET", "/", "api.twilio.com") == {"delay": "9"}  # its own comes first
    assert [rule.fired for rule in faults.rules] == [2, 4]


def test_probability_is_seeded() -> None:
    def draw(seed: int) -> list[bool]:
        faults = Faults(Random(seed))
        faults.add("hang", probability=0.5)
        return [bool(faults.plan(None, "GET", "/", "")) for _ in range(200)]

    assert draw(1) == draw(1) != draw(2)
    assert 70 < sum(draw(1)) < 130
    with pytest.raises(FaultSyntaxError):
        Faults(Random(0)).add("hang", probability=1.5)


def test_service_time_keeps_its_mean() -> None:
    faults = Faults(Random(3))
    assert faults.draw_service_seconds() == 0
    faults.service_seconds = 0.05
    assert faults.draw_service_seconds() == 0.05
    faults.service_sigma = 0.5
    drawn = [faults.draw_service_seconds() for _ in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.05, rel=0.02)
    assert min(drawn) < 0.03 < 0.09 < max(drawn)


ANSWERS = [
    # fault, status, code (None: not JSON), created
    ("status=503", 503, 20503, 0),
    ("status=500", 500, 20500, 0),
    ("status=502", 502, None, 0),
    ("status=504", 504, None, 0),
    ("status=404", 404, 20404, 0),
    ("status=599", 599, 20599, 0),
    ("status-after=500", 500, 20500, 1),
    ("status-after=503", 503, 20503, 1),
    ("429", 429, 20429, 0),
    ("429=60203", 429, 60203, 0),
    ("429=45780", 429, 45780, 0),
    ("429-no-code", 429, None, 0),
    ("401", 401, 20003, 0),
    ("slow-body=0", 201, 0, 1),
    ("delay=0", 201, 0, 1),
    ("retry-after=7", 201, 0, 1),
    ("nonsense", 400, 20001, 0),
]


@pytest.mark.parametrize(("fault", "status", "code", "created"), ANSWERS)
async def test_faults_that_answer(
    simulator: Simulator, caller: Caller, fault: str, status: int, code: int | None, created: int
) -> None:
    reply = await caller.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": fault})
    assert reply.status == status
    if code is None:
        assert reply.headers["Content-Type"] == "text/html"
    else:
        assert reply.json.get("code", 0) == code
    assert simulator.store.created["messages"] == created
    assert simulator.counts()["rejected_20429"] == (code == 20429)


async def test_retry_after_goes_with_any_answer(caller: Caller) -> None:
    for fault in ("429, retry-after=3", "status=503, retry-after=3", "429-no-code, retry-after=3"):
        reply = await caller.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": fault})
        assert reply.headers["Retry-After"] == "3"


async def test_a_rule_that_fails_twice_then_lets_through(simulator: Simulator, caller: Caller) -> None:
    simulator.faults.add("429", method="POST", path="/Messages", count=2)
    statuses = [(await caller.post(MESSAGES, data=MESSAGE)).status for _ in range(3)]
    assert statuses == [429, 429, 201]
    assert simulator.store.created["messages"] == 1


async def test_waits_go_through_the_injected_sleep() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with Simulator(ACCOUNTS, now=lambda: NOW, sleep=sleep) as simulator:
        simulator.faults.service_seconds = 0.5
        status = await _status_of(simulator, {"X-Sim-Fault": "delay=30, slow-body=10"})
    assert status == 200
    assert slept[:2] == [30.0, 0.5]
    assert slept[2:] == [1.0] * 10


class Held:
    """A sleep that lasts until the test opens it: a service time of exactly as long as the test needs."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        await self.opened.wait()


async def test_concurrency_limit_is_per_account_and_answers_at_once() -> None:
    held = Held()
    async with Simulator(ACCOUNTS, now=lambda: NOW, sleep=held) as simulator:
        simulator.faults.concurrency_limit, simulator.faults.service_seconds = 2, 1.0
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(_status_of(simulator)) for _ in range(2)]
            await simulator.gate.settled(MAIN, 2)
            assert await _status_of(simulator) == 429
            assert simulator.gate.in_flight(MAIN) == 2
            other = group.create_task(_status_of(simulator, account=OTHER))
            await simulator.journal.arrived(4)
            held.opened.set()
        assert [task.result() for task in (*first, other)] == [200] * 3
        assert await _status_of(simulator) == 200
        assert simulator.gate.in_flight(MAIN) == 0
        counts = simulator.counts()
    assert (counts["rejected_20429"], counts["max_concurrent"], counts["requests"]) == (1, 2, 5)


async def _status_of(simulator: Simulator, headers: dict[str, str] | None = None, account: str = MAIN) -> int:
    """GET the account's messages over a connection of its own."""
    token = {MAIN: "main-token", OTHER: "other-token"}[account]
    sent = {"Host": "api.twilio.com", "Authorization": basic(account, token), **(headers or {})}
    url = simulator.url + account_path("/Messages.json", account)
    async with aiohttp.ClientSession() as session, session.get(url, headers=sent) as response:
        await response.read()
        return response.status
