"""Faults in what is kept and listed: late commits, lagging lists, other texts and senders, another sender."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import aiohttp
import pytest

from tests.unit.twilio_simulator.conftest import ACCOUNTS, MAIN, MESSAGE, NOW, Caller, account_path, basic
from twilio_simulator import Faults, Simulator
from twilio_simulator.faults import read_faults

MESSAGES = account_path("/Messages.json")
CALL = {"To": "+15551112222", "From": "+15553334444", "Url": "https://example.com/twiml"}


async def listed(caller: Caller, query: str = "", fault: str = "") -> list[dict[str, Any]]:
    """The account's messages, newest first."""
    headers = {"X-Sim-Fault": fault} if fault else None
    messages: list[dict[str, Any]] = (await caller.get(MESSAGES + query, headers=headers)).json["messages"]
    return messages


async def test_a_late_commit_comes_after_the_connection_broke() -> None:
    """The caller sees an RST and an empty list; the message is there once the time has passed."""
    slept: list[float] = []
    passed = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await passed.wait()

    sent = {"Host": "api.twilio.com", "Authorization": basic(MAIN, "main-token")}
    async with (
        Simulator(ACCOUNTS, now=lambda: NOW, sleep=sleep) as simulator,
        aiohttp.ClientSession(simulator.url, headers=sent) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": "commit-late=8"})
        caller = Caller(session, simulator.url)
        assert await listed(caller) == []
        assert simulator.store.created["messages"] == 0
        (late,) = simulator._service.late_commits
        passed.set()
        await late
        assert len(await listed(caller)) == 1
        assert (slept, simulator.store.created["messages"]) == ([8.0], 1)


async def test_a_reset_forgets_late_commits(simulator: Simulator, caller: Caller) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": "commit-late=0.05"})
    (late,) = simulator._service.late_commits
    simulator.reset()
    await asyncio.wait([late])
    assert late.cancelled()
    assert await listed(caller) == []


async def test_lists_lag_and_fetches_do_not() -> None:
    now = [NOW]
    async with Simulator(ACCOUNTS, now=lambda: now[0]) as simulator, aiohttp.ClientSession() as session:
        caller = Caller(session, simulator.url)
        first = (await caller.post(MESSAGES, data=MESSAGE)).json["sid"]
        now[0] += 3
        second = (await caller.post(MESSAGES, data=MESSAGE)).json["sid"]
        assert [each["sid"] for each in await listed(caller)] == [second, first]
        assert [each["sid"] for each in await listed(caller, fault="list-lag=2")] == [first]
        assert await listed(caller, fault="list-lag=5") == []
        path = account_path(f"/Messages/{second}.json")
        reply = await caller.get(path, headers={"X-Sim-Fault": "list-lag=5"})
        assert reply.status == 200
        now[0] += 5
        assert len(await listed(caller, fault="list-lag=5")) == 2


async def test_a_message_without_date_sent_is_found_by_no_date(caller: Caller) -> None:
    created = (await caller.post(MESSAGES, data=MESSAGE)).json
    assert created["date_sent"] is None, "not yet in the answer to its creation"
    waiting = (await caller.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": "no-date-sent"})).json
    dates = {each["sid"]: each["date_sent"] for each in await listed(caller)}
    assert dates == {created["sid"]: created["date_created"], waiting["sid"]: None}
    assert [each["sid"] for each in await listed(caller, "?DateSent=2023-11-14")] == [created["sid"]]
    assert [each["sid"] for each in await listed(caller, "?DateSent%3E=2023-11-01")] == [created["sid"]]


@pytest.mark.parametrize(
    ("fault", "body", "sender", "to"),
    [
        ("rewrite-body=smart", "'so' - \"it\"...", "+15553334444", "+15551112222"),
        (
            "rewrite-body=trial",
            "Sent from your Twilio trial account - ‘so’ – “it”…",
            "+15553334444",
            "+15551112222",
        ),
        ("replace-sender=+15550009999", "‘so’ – “it”…", "+15550009999", "+15551112222"),
        ("redact", "", "+15553334444", "+1555111XXXX"),
        ("redact=body", "", "+15553334444", "+15551112222"),
        ("redact=to", "‘so’ – “it”…", "+15553334444", "+1555111XXXX"),
    ],
)
async def test_what_is_kept_differs_from_what_was_sent(
    simulator: Simulator, caller: Caller, fault: str, body: str, sender: str, to: str
) -> None:
    text = "‘so’ – “it”…"
    form = {**MESSAGE, "Body": text}
    await caller.post(MESSAGES, data=form, headers={"X-Sim-Fault": fault})
    await caller.post(MESSAGES, data=form, headers={"X-Sim-Fault": fault})
    kept, _ = await listed(caller)
    assert (kept["body"], kept["from"], kept["to"]) == (body, sender, to)
    assert list(simulator.store.duplicates()) == [text], "the witness counts texts as they were sent"


@pytest.mark.parametrize("but", ["", ", reset-before", ", status=500"])
async def test_another_program_sends_the_same(simulator: Simulator, caller: Caller, but: str) -> None:
    """Its message is in the list, and no count of ours holds it."""
    headers = {"X-Sim-Fault": "second-sender" + but}
    try:
        own = (await caller.post(MESSAGES, data=MESSAGE, headers=headers)).status == 201
    except aiohttp.ClientConnectionError:
        own = False
    assert own == (but == "")
    messages = await listed(caller)
    assert [each["body"] for each in messages] == ["hello"] * (1 + own)
    assert len({each["sid"] for each in messages}) == 1 + own
    assert simulator.store.created["messages"] == own
    assert simulator.store.duplicates() == {}


async def test_another_program_sends_another_text(simulator: Simulator, caller: Caller) -> None:
    await caller.post(MESSAGES, data=MESSAGE, headers={"X-Sim-Fault": "second-sender=other"})
    one, two = await listed(caller)
    assert sorted([one["body"] == "hello", two["body"] == "hello"]) == [False, True]
    assert one["to"] == two["to"]
    assert simulator.store.created["messages"] == 1


async def test_another_program_cannot_do_what_is_refused(simulator: Simulator, caller: Caller) -> None:
    reply = await caller.post(MESSAGES, data={"To": "+1"}, headers={"X-Sim-Fault": "second-sender"})
    assert reply.status == 400
    assert await listed(caller) == []


def test_a_range_is_drawn_for_each_request() -> None:
    drawn = Faults(_Ramp([0.0, 0.5, 1.0]))
    drawn.add("commit-late=0..8, list-lag=5")
    plans = [drawn.plan(None, "POST", MESSAGES, "") for _ in range(3)]
    assert [float(plan["commit-late"]) for plan in plans] == [0.0, 4.0, 8.0]
    assert {plan["list-lag"] for plan in plans} == {"5"}


class _Ramp(Random):
    """Chance that was decided beforehand."""

    def __init__(self, shares: list[float]) -> None:
        super().__init__(0)
        self._shares = shares

    def uniform(self, lowest: float, highest: float) -> float:
        return lowest + self._shares.pop(0) * (highest - lowest)


@pytest.mark.parametrize(
    "text",
    [
        *("commit-late", "commit-late=8..0", "commit-late=0..", "commit-late=..8", "commit-late=-1"),
        *("rewrite-body", "rewrite-body=upper", "redact=from", "replace-sender", "list-lag=x"),
        *("no-date-sent=1", "second-sender=2"),
    ],
)
def test_faults_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="does not take the value"):
        read_faults(text)


async def test_calls_have_an_annotation(caller: Caller) -> None:
    created = (await caller.post(account_path("/Calls.json"), data=CALL)).json
    fields = {"annotation", "forwarded_from", "group_sid", "trunk_sid"}
    assert {name: created[name] for name in fields} == dict.fromkeys(fields)
    assert created["queue_time"] == "0"
