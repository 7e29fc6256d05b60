"""A create whose answer is lost: Twilio is asked whether it was done, and the caller gets what it is owed."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.outcome_resolution.look_verdict import LookVerdict
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from tests.support.asking import CALLS, TEXT, Asking, asking_scene, asking_settings
from tests.support.caller import FORM, MESSAGES, RawAnswer, raw_caller, request
from tests.support.moved_clock import passing_time
from tests.support.running import consumer, running_gateway

SHORT = "Gateway-Timeout: 3"


@pytest.fixture
async def scene() -> AsyncIterator[Asking]:
    async with asking_scene() as scene:
        yield scene


def told(answer: RawAnswer) -> tuple[int, str, str]:
    return answer.status, answer.slug, answer.value("Gateway-Outcome")


FOUND = (201, "", "found")
ABSENT = (502, "upstream_absent", "absent")
DONE = [
    "reset-after",
    "status-after=500",
    "status-after=502",
    "status-after=503",
    "status-after=504",
    "garbage",
    "truncate",
    "hang-after",
    "commit-late=8",
    "reset-after, no-date-sent",
    "reset-after, rewrite-body=smart",
    "reset-after, rewrite-body=trial",
    "reset-after, redact=body",
    "reset-after, replace-sender=+15005550009",
]


@pytest.mark.parametrize("fault", DONE)
async def test_what_was_done_is_found(scene: Asking, fault: str) -> None:
    """The caller gets its message, and need not send it again."""
    answer = await scene.create(fault=fault)
    assert told(answer) == FOUND
    assert scene.created == 1
    [sid] = scene.sids()
    assert json.loads(answer.body)["sid"] == sid
    again = await scene.create()
    assert (again.status, again.value("Gateway-Outcome"), scene.created) == (201, "", 2)


@pytest.mark.parametrize("fault", ["reset-after", "commit-late=8"])
async def test_what_lists_show_late_is_found(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add("list-lag=5", method="GET")
    assert told(await scene.create(fault=fault)) == FOUND
    assert scene.created == 1


NOT_DONE = [
    ("reset-before", ABSENT),
    ("status=500", (500, "", "absent")),
    ("status=502", (502, "", "absent")),
    ("status=503", (503, "", "absent")),
    ("status=504", (504, "", "absent")),
]


@pytest.mark.parametrize(("fault", "expected"), NOT_DONE)
async def test_what_was_not_done_is_absent_and_can_be_sent_again(
    scene: Asking, fault: str, expected: tuple[int, str, str]
) -> None:
    assert told(await scene.create(fault=fault)) == expected
    assert scene.created == 0
    again = await scene.create()
    assert (again.status, again.value("Gateway-Outcome"), scene.created) == (201, "", 1)


async def test_an_in_flight_create_is_found_before_its_deadline(scene: Asking) -> None:
    """Twilio did it and keeps its answer to itself: the caller has it nevertheless, in time."""
    began = scene.clock.time()
    answer = await scene.create("Gateway-Timeout: 20", fault="hang-after")
    assert told(answer) == FOUND
    assert scene.clock.time() - began < 20
    assert scene.created == 1


async def test_a_client_that_gives_up_and_calls_again_gets_the_first_message(scene: Asking) -> None:
    """It waits 2 s, Twilio takes 5 and then breaks the connection; lists lag behind."""
    scene.simulator.faults.add("delay=5, reset-after", method="POST", count=1)
    scene.simulator.faults.add("list-lag=4", method="GET")
    given = request(f"POST {MESSAGES}", FORM, body=TEXT)
    async with passing_time(scene.clock):
        for _ in range(3):
            async with raw_caller(scene.gateway.port) as caller:
                await caller.send(given)
                try:
                    answer = await caller.answer(seconds=2)
                except TimeoutError:
                    caller.hang_up()
                    continue
            break
        else:
            async with raw_caller(scene.gateway.port) as caller:
                await caller.send(given)
                answer = await caller.answer(seconds=60)
    assert scene.created == 1
    assert (answer.status, json.loads(answer.body)["sid"]) == (201, scene.sids()[0])
    assert answer.value("Gateway-Outcome") in ("found", "shared")


@pytest.mark.parametrize(("fault", "created"), [("reset-after", 1), ("reset-before", 0)])
async def test_what_a_deadline_cuts_short_goes_on_in_the_background(
    scene: Asking, fault: str, created: int
) -> None:
    """A caller with little time learns nothing; the next waits for the looks, and gets or sends the one."""
    scene.simulator.faults.add("list-lag=5", method="GET")
    first = await scene.create(SHORT, fault=fault)
    assert told(first) == (502, "upstream_lost", "unknown")
    assert scene.created == created
    second = await scene.create()
    assert (second.status, second.value("Gateway-Outcome")) == (201, "found" if created else "")
    assert scene.created == 1
    assert json.loads(second.body)["sid"] == scene.sids()[0]
    resolved = scene.gateway.gateway.components.resolver.resolved
    assert dict(resolved) == {"found" if created else "absent": 1}
    assert scene.gateway.gateway.components.resolver.pursued == 0


AMBIGUOUS = [
    pytest.param("second-sender, reset-after", id="another program's"),
    pytest.param("second-sender, status-after=500", id="another program's, with an answer"),
]


@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_what_may_be_another_s_stays_unknown(scene: Asking, fault: str) -> None:
    """Two that are equal: nobody can tell which is whose, so that nothing is sent."""
    first = await scene.create(fault=fault)
    assert first.status in (500, 502)
    assert first.value("Gateway-Outcome") == "unknown"
    second = await scene.create(SHORT)
    assert (second.status, second.value("Gateway-Outcome")) == (first.status, "shared")
    assert scene.created == 1


async def test_two_open_creates_to_one_recipient_stay_unknown(scene: Asking) -> None:
    """Either may have made either message."""
    scene.simulator.faults.add("reset-after", method="POST", count=2)
    answers = await asyncio.gather(scene.create(SHORT), scene.create(SHORT, body=TEXT + b"+again"))
    assert [told(each) for each in answers] == [(502, "upstream_lost", "unknown")] * 2
    assert scene.created == 2


async def test_messages_of_other_exchanges_are_not_candidates(scene: Asking) -> None:
    """One with a key, one sent on purpose and one that succeeded, all with the same text, moments before."""
    for field in ("Idempotency-Key: one", "Gateway-Repeat: allow", "X-None: 1"):
        assert (await scene.create(field)).status == 201
    assert told(await scene.create(fault="reset-before")) == ABSENT
    assert told(await scene.create(fault="reset-after")) == FOUND
    assert scene.created == 4


UNHELD = ["Idempotency-Key: one", "Gateway-Repeat: allow"]


@pytest.mark.parametrize("field", UNHELD)
async def test_what_is_never_held_may_have_made_what_a_look_finds(scene: Asking, field: str) -> None:
    """Its answer takes its time, or is lost: one with the same text that was not done is not found by it."""
    scene.simulator.faults.add("slow-body=12", method="POST", count=1)
    slow = asyncio.create_task(scene.create(field))
    while not scene.created:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    assert told(await scene.create(fault="reset-before")) == ABSENT
    assert (await slow).status == 201
    other = field.replace("one", "two")
    assert told(await scene.create(other, fault="reset-after")) == (502, "upstream_lost", "unknown")
    assert told(await scene.create(fault="reset-before")) == ABSENT
    assert scene.created == 2


async def test_a_repeat_in_report_mode_may_have_made_what_a_look_finds() -> None:
    """It is sent while the first, which is not done, has no answer."""
    async with asking_scene(repeat_guard={"mode": "report"}) as scene:
        fault = scene.simulator.faults.add("delay=5, reset-before", method="POST", count=1)
        first = asyncio.create_task(scene.create())
        while fault.count:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
        assert (await scene.create()).status == 201
        assert told(await first) == ABSENT
        assert scene.created == 1


async def test_what_another_credential_of_the_account_made_is_no_candidate() -> None:
    """Its key is another one, and it does not ask; Twilio lists its messages all the same."""
    settings = asking_settings()
    main = settings["credentials"]["main"]
    settings["credentials"]["second"] = {**main, "repeat_guard": {"ask": False}}
    other = "another-consumer-s-key-0123456789"
    settings["consumers"] = {"app": consumer(), "other": consumer(other, credential="second")}
    given = request(f"POST {MESSAGES}", FORM, body=TEXT, auth=f"Bearer {other}")
    async with asking_scene(**settings) as scene, raw_caller(scene.gateway.port) as second:
        lost = asyncio.create_task(scene.create(fault="reset-before"))
        await scene.simulator.journal.arrived()
        await second.send(given)
        assert (await second.answer()).status == 201
        assert told(await lost) == ABSENT


async def test_two_that_are_lost_are_told_apart_by_nobody(scene: Asking) -> None:
    scene.simulator.faults.add("list-lag=10", method="GET")
    first = await scene.create("Idempotency-Key: one", fault="reset-after")
    assert told(first) == (502, "upstream_lost", "unknown")
    assert told(await scene.create(fault="reset-before")) == (502, "upstream_lost", "unknown")
    assert scene.created == 1


@pytest.mark.parametrize("field", [*UNHELD, "X-None: 1"])
async def test_what_is_made_for_a_recipient_that_cannot_be_looked_up_is_ours(
    scene: Asking, field: str
) -> None:
    """Twilio may show it by a number in E.164 all the same."""
    made = await scene.create(field, body=TEXT.replace(b"%2B", b"", 1))
    outcomes = scene.gateway.gateway.components.resolver.outcomes
    assert isinstance(outcomes, LocalOutcomes)
    assert [sid for _, sid in outcomes._sids] == [json.loads(made.body)["sid"]]


@pytest.mark.parametrize("form", [b"To=12345&Body=hi", b"To=%2B15005550006&To=%2B15005550007&Body=hi"])
async def test_a_recipient_that_cannot_be_looked_up_is_unknown(scene: Asking, form: bytes) -> None:
    found = await scene.create(body=form + b"&From=%2B15005550001", fault="reset-after")
    assert told(found) == (502, "upstream_lost", "unknown")
    assert scene.looks == []


async def test_calls_are_found_and_absent(scene: Asking) -> None:
    call = b"To=%2B15005550006&From=%2B15005550001&Url=http%3A%2F%2Fa.example"
    found = await scene.create(body=call, target=CALLS, fault="reset-after")
    assert told(found) == FOUND
    assert json.loads(found.body)["sid"] == scene.sids("calls")[0]
    assert {"To", "From", "StartTime>"} < {
        name for name, _ in parse_qsl(urlsplit(scene.looks[0].target).query)
    }
    again = await scene.create(body=call + b"2", target=CALLS, fault="status=503")
    assert told(again) == (503, "", "absent")
    assert scene.created == 1


@pytest.mark.parametrize("altered", ["replace-sender=+15005550009", "redact=to"])
async def test_a_call_that_is_listed_otherwise_is_not_absent(scene: Asking, altered: str) -> None:
    """By another sender, or with its recipient's last digits hidden: its list by both ends is empty."""
    call = b"To=%2B15005550006&From=%2B15005550001&Url=http%3A%2F%2Fa.example"
    first = await scene.create(body=call, target=CALLS, fault=f"reset-after, {altered}")
    assert told(first) == (502, "upstream_lost", "unknown")
    assert told(await scene.create(body=call, target=CALLS)) == (502, "repeat_unknown", "shared")
    assert scene.created == 1


@pytest.mark.parametrize(("suffix", "media_type"), [(".xml", "application/xml"), ("", "application/xml")])
async def test_what_is_found_has_the_format_that_was_asked_for(
    scene: Asking, suffix: str, media_type: str
) -> None:
    found = await scene.create(target=MESSAGES.removesuffix(".json") + suffix, fault="reset-after")
    assert told(found) == FOUND
    assert found.value("Content-Type").startswith(media_type)
    assert f"<Sid>{scene.sids()[0]}</Sid>".encode() in found.body
    assert (await scene.gateway.exchange_logged(1))[-1]["status"] == 201


@pytest.mark.parametrize("fault", ["401", "status=403"])
async def test_a_refused_look_means_that_twilio_cannot_be_asked(scene: Asking, fault: str) -> None:
    """At once, and it is held against no key."""
    scene.simulator.faults.add(fault, method="GET")
    assert told(await scene.create(fault="reset-after")) == (502, "upstream_lost", "unknown")
    assert len(scene.looks) == 1
    assert not [line for line in scene.gateway.log() if "credential key" in line["event"]]
    keyring = scene.gateway.gateway.components.forwarder.keyring
    account = scene.gateway.gateway._snapshots.current.credentials["main"].account
    assert not any(keyring.is_disabled(key) for key in account.keys)


async def test_looks_that_fail_prove_nothing(scene: Asking) -> None:
    scene.simulator.faults.add("status=500", method="GET", count=8)
    assert told(await scene.create("Gateway-Timeout: 40", fault="reset-before")) == ABSENT
    looks = scene.gateway.gateway.components.resolver.looks
    assert looks[LookVerdict.FAILED] == 8


async def test_a_repeat_after_absent_is_held_if_so_configured() -> None:
    async with asking_scene(repeat_guard={"after_absent": "hold"}) as scene:
        assert told(await scene.create(fault="reset-before")) == ABSENT
        assert told(await scene.create(SHORT)) == ABSENT
        assert scene.created == 0
        assert (await scene.create("Gateway-Repeat: allow")).status == 201


@pytest.mark.parametrize(("faults", "created"), [(["reset-before"], 1), (["reset-before", "reset-after"], 1)])
async def test_the_gateway_itself_sends_again_if_so_configured(faults: list[str], created: int) -> None:
    async with asking_scene(repeat_guard={"resend_absent": True}) as scene:
        for fault in faults:
            scene.simulator.faults.add(fault, method="POST", count=1)
        answer = await scene.create("Gateway-Timeout: 50")
        assert (answer.status, answer.value("Gateway-Attempts")) == (201, "2")
        assert scene.created == created


async def test_without_asking_a_503_is_definite_and_nothing_is_looked_up(scene: Asking) -> None:
    async with running_gateway(scene.simulator.url) as plain:
        scene.gateway = plain
        for fault in ("status-after=503", "reset-after"):
            await scene.create(fault=fault)
    assert scene.looks == []
    assert scene.created == 2
