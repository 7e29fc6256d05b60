"""The `/-/` endpoints: what they show, what they set, and that no secret comes out of them."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from tests.unit.twilio_simulator.conftest import MAIN, MESSAGE, Caller, account_path, basic
from twilio_simulator import Simulator
from twilio_simulator.journal import mask_credentials

MESSAGES = account_path("/Messages.json")
DEFAULTS: dict[str, Any] = {
    "rules": [],
    "concurrency_limit": None,
    "service_seconds": 0.0,
    "service_sigma": 0.0,
}


@pytest.fixture
def control(caller: Caller) -> Caller:
    """A caller without credentials: the control endpoints take none."""
    return Caller(caller.session, caller.base_url, None)


async def test_counts(caller: Caller, control: Caller) -> None:
    for _ in range(2):
        await caller.post(MESSAGES, data=MESSAGE)
    await caller.get(account_path("/Messages/SM0.json"))
    await caller.get(MESSAGES, headers={"X-Sim-Fault": "429"})
    assert (await control.get("/-/counts")).json == {
        "created": {"messages": 2},
        "requests": 4,
        "by_status": {"201": 2, "404": 1, "429": 1},
        "rejected_20429": 1,
        "max_concurrent": 1,
    }


async def test_journal_shows_requests_as_they_came(caller: Caller, control: Caller) -> None:
    await caller.get(MESSAGES)
    form = b"To=%2B1555&From=%2B1666&Body=" + b"x" * 5000
    target = f"{MESSAGES}?a=%5Fb&DateSent<=1"
    async with caller.session.post(
        URL(caller.base_url + target, encoded=True),
        data=form,
        headers={
            "Host": "api.twilio.com",
            "Authorization": str(caller.authorization),
            "Content-Type": "application/x-www-form-urlencoded",
            "X-odd-CASE": "kept",
        },
    ) as response:
        assert response.status == 400  # the body is too long
    (entry,) = (await control.get("/-/journal?limit=1")).json["entries"]
    assert (entry["method"], entry["target"], entry["host"]) == ("POST", target, "api.twilio.com")
    assert (entry["status"], entry["outcome"]) == (400, "answered")
    assert entry["body"] == form[:4096].decode()
    headers = [tuple(pair) for pair in entry["headers"]]
    assert ("X-odd-CASE", "kept") in headers
    assert ("Authorization", f"Basic {MAIN}:***") in headers
    assert len((await control.get("/-/journal")).json["entries"]) == 2
    assert (await control.get("/-/journal?limit=0")).json["entries"] == []
    assert (await control.get("/-/journal?limit=x")).status == 400


async def test_effective_method_is_shown(simulator: Simulator, caller: Caller) -> None:
    await caller.post(account_path("/Messages/SM1.json?_method=DELETE"))
    (entry,) = simulator.journal
    assert (entry.method, entry.effective_method, entry.status) == ("POST", "DELETE", 404)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (basic("billing", "s3cret"), "Basic billing:***"),
        (basic("billing", "s3:cret"), "Basic billing:***"),
        ("Bearer s3cret", "Bearer ***"),
        ("s3cret", "***"),
        ("Basic s3cret", "Basic ***"),
        ("Basic czNjcmV0", "Basic ***"),
    ],
)
def test_credentials_are_masked(value: str, masked: str) -> None:
    assert mask_credentials(value) == masked


async def test_no_secret_in_the_journal(simulator: Simulator, caller: Caller, control: Caller) -> None:
    await caller.get(MESSAGES)
    shown = (await control.get("/-/journal")).body.decode() + repr(list(simulator.journal))
    assert "main-token" not in shown
    assert str(caller.authorization).partition(" ")[2] not in shown


async def test_duplicates(simulator: Simulator, caller: Caller, control: Caller) -> None:
    sids = []
    for body in ("once", "twice", "twice", "thrice", "thrice", "thrice"):
        reply = await caller.post(MESSAGES, data={**MESSAGE, "Body": body})
        sids.append(reply.json["sid"])
    assert (await control.get("/-/duplicates")).json == {
        "duplicates": {"twice": sids[1:3], "thrice": sids[3:6]}
    }


async def test_faults_are_set_shown_and_cleared(caller: Caller, control: Caller) -> None:
    settings = {
        "rules": [{"match": {"method": "POST", "path": "/Messages"}, "fault": "status=503", "count": 1}],
        "concurrency_limit": 20,
        "service_seconds": 0.001,
        "service_sigma": 0.1,
    }
    rule = {**settings["rules"][0], "probability": 1.0, "fired": 0}  # type: ignore[index]
    reply = await control.post("/-/faults", json=settings)
    assert (reply.status, reply.json) == (200, {**settings, "rules": [rule]})
    statuses = [(await caller.post(MESSAGES, data=MESSAGE)).status for _ in range(2)]
    assert statuses == [503, 201]
    assert (await control.get("/-/faults")).json["rules"] == [{**rule, "count": 0, "fired": 1}]

    kept = (await control.post("/-/faults", json={"concurrency_limit": 5})).json
    assert (kept["concurrency_limit"], kept["service_seconds"], len(kept["rules"])) == (5, 0.001, 1)
    assert (await control.send("DELETE", "/-/faults")).json == DEFAULTS


@pytest.mark.parametrize(
    "body",
    [
        {"rulez": []},
        {"rules": [{"fault": "nonsense"}]},
        {"rules": [{"match": {"verb": "GET"}, "fault": "hang"}]},
        {"rules": [{"fault": "hang", "probability": 2}]},
        {"rules": [{"fault": "hang", "count": -1}]},
        {"concurrency_limit": -1},
        {"service_seconds": "long"},
        [],
    ],
)
async def test_wrong_settings_change_nothing(simulator: Simulator, control: Caller, body: Any) -> None:
    simulator.faults.add("delay=0")
    before = simulator.faults.describe()
    reply = await control.post("/-/faults", json=body)
    assert reply.status == 400
    assert reply.json["message"]
    assert simulator.faults.describe() == before


async def test_unknown_endpoint_names_the_known(control: Caller) -> None:
    reply = await control.get("/-/nothing")
    assert reply.status == 404
    assert "GET /-/counts" in reply.json["endpoints"]


async def test_reset_forgets_everything(simulator: Simulator, caller: Caller, control: Caller) -> None:
    first = (await caller.post(MESSAGES, data=MESSAGE)).json["sid"]
    simulator.faults.concurrency_limit = 3
    reply = await control.post("/-/reset")
    assert reply.json == {
        "created": {}, "requests": 0, "by_status": {}, "rejected_20429": 0, "max_concurrent": 0
    }  # fmt: skip
    assert (await control.get("/-/faults")).json == DEFAULTS
    assert (await caller.get(MESSAGES)).json["messages"] == []
    assert (await caller.post(MESSAGES, data=MESSAGE)).json["sid"] == first  # the seed begins anew
