"""The repeat guard, step by step on a loop whose time jumps: who sends, who waits, who shares."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.errors import FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

INTENT = RepeatIntent("a" * 64, 300.0)
SUBJECT = CreateSubject("billing", "main", "AC1", "api", "/Messages")
ASKED = INTENT._replace(asks=True)
FAR = 1e6
SHARED = (b"Gateway-Outcome", b"shared")  # what the handler writes


def answer(status: int = 201, sid: str = "SM1") -> Response:
    return Response(status, "Created", ((b"Content-Length", b"3"),), sid.encode(), None)


def lost() -> UpstreamFailure:
    return UpstreamFailure("upstream_lost", FailurePhase.SENT, "broke")


@dataclass
class Scene:
    """A guard, and what was sent through it."""

    loop: VirtualTimeLoop
    options: RepeatGuardOptions = field(default_factory=RepeatGuardOptions)
    subject: CreateSubject = SUBJECT
    sent: int = 0
    events: list[RepeatEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = RepeatGuard(self.options, self.loop.time, now=self.loop.time)

    async def call(
        self,
        outcome: Response | BaseException,
        *,
        takes: float = 1.0,
        writes: float = 0.0,
        connected: bool = True,
        deadline: float = FAR,
        intent: RepeatIntent | None = INTENT,
        in_doubt: bool = True,
    ) -> Response:
        """One request whose attempt ends with `outcome` after `takes` seconds, and is written in `writes`."""
        hold = self.guard.hold(
            intent,
            deadline=deadline,
            in_doubt=lambda: in_doubt,
            on_event=self.events.append,
            describe=lambda: self.subject,
        )
        async with hold:
            if hold.shared is not None:
                shared = hold.shared
                result = Response(shared.status, "", (*shared.fields, SHARED), shared.body, None)
            else:
                self.sent += 1
                await asyncio.sleep(takes)
                if isinstance(outcome, BaseException):
                    raise outcome
                hold.answered(outcome)
                result = outcome
            await asyncio.sleep(writes)
            if connected:
                hold.delivered()
            return result


def run(script: Any, **options: Any) -> Scene:
    """Run `script(scene)`."""

    async def main(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, RepeatGuardOptions(**options))
        await script(scene)
        return scene

    return run_in_virtual_time(main)


async def settle(*calls: Coroutine[Any, Any, Response]) -> list[Response | BaseException]:
    """All of them at once; the first is begun first."""
    return await asyncio.gather(*calls, return_exceptions=True)


def is_shared(response: object) -> bool:
    return isinstance(response, Response) and SHARED in response.fields


def test_two_messages_one_after_the_other_are_two() -> None:
    async def script(scene: Scene) -> None:
        await scene.call(answer())
        await scene.call(answer())

    scene = run(script)
    assert (scene.sent, scene.events, scene.guard.entries) == (2, [], 0)


def test_two_messages_at_once_from_connected_callers_are_two() -> None:
    async def script(scene: Scene) -> None:
        first, second = await settle(scene.call(answer(sid="SM1")), scene.call(answer(sid="SM2")))
        assert isinstance(first, Response)
        assert isinstance(second, Response)
        assert (first.body, second.body) == (b"SM1", b"SM2")
        assert not is_shared(second)

    scene = run(script)
    assert (scene.sent, scene.events, scene.guard.entries) == (2, [RepeatEvent.WAITED], 0)


def test_a_repeat_shares_what_a_caller_that_left_was_owed() -> None:
    async def script(scene: Scene) -> None:
        _, second = await settle(scene.call(answer(), connected=False), scene.call(answer()))
        assert is_shared(second)
        assert isinstance(second, Response)
        assert second.body == b"SM1"
        await scene.call(answer())  # the answer has reached a caller: this is another message

    scene = run(script)
    assert scene.sent == 2
    assert scene.events == [RepeatEvent.WAITED, RepeatEvent.SHARED]


def test_an_answer_that_nobody_took_is_kept_for_the_next() -> None:
    async def script(scene: Scene) -> None:
        await scene.call(answer(), connected=False)
        await asyncio.sleep(299)
        assert is_shared(await scene.call(answer(), connected=False))
        await asyncio.sleep(299)  # kept anew since it was last given
        assert is_shared(await scene.call(answer()))

    assert run(script).sent == 1


def unreadable() -> UpstreamFailure:
    return UpstreamFailure("upstream_unreadable", FailurePhase.RESPONSE, "")


OPEN_ENDS = [
    pytest.param(lost(), "repeat_unknown", id="lost"),
    pytest.param(UpstreamFailure("upstream_timeout", FailurePhase.SENT, ""), "repeat_unknown", id="timeout"),
    pytest.param(unreadable(), "repeat_unknown", id="unreadable"),
    pytest.param(asyncio.CancelledError(), "repeat_unknown", id="drained"),
    *(pytest.param(answer(status), "", id=str(status)) for status in (500, 502, 504, 599)),
]


@pytest.mark.parametrize(("outcome", "slug"), OPEN_ENDS)
def test_an_open_outcome_is_never_sent_again(outcome: Response | BaseException, slug: str) -> None:
    async def script(scene: Scene) -> None:
        await settle(scene.call(outcome))
        for _ in range(3):
            await asyncio.sleep(200)
            (repeat,) = await settle(scene.call(answer()))
            if slug:
                assert isinstance(repeat, Refusal)
                assert (repeat.slug, repeat.headers) == (slug, (("Gateway-Outcome", "shared"),))
            else:
                assert is_shared(repeat)
        assert scene.guard.open_outcomes == 1
        await asyncio.sleep(301)
        await scene.call(answer())

    assert run(script).sent == 2


def test_an_open_outcome_is_kept_an_hour_at_most() -> None:
    async def script(scene: Scene) -> None:
        await settle(scene.call(lost()))
        while scene.loop.time() < 3600:
            await settle(scene.call(answer()))
            await asyncio.sleep(100)
        assert scene.sent == 1  # and given a hundred seconds ago
        await scene.call(answer())

    assert run(script).sent == 2


def test_an_open_outcome_is_kept_for_a_caller_that_waited_for_a_look_and_left() -> None:
    """It was given nothing, and will call again."""

    async def script(scene: Scene) -> None:
        scene.subject = SUBJECT._replace(asks=True)
        await settle(scene.call(lost(), intent=ASKED))
        await asyncio.sleep(10)
        waiting = asyncio.ensure_future(scene.call(answer(), intent=ASKED))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(295)
        (held,) = await settle(scene.call(answer(), intent=ASKED))
        assert isinstance(held, Refusal)

    assert run(script).sent == 1


NOT_SENT = [
    UpstreamFailure("upstream_unreachable", FailurePhase.CONNECT, ""),
    Refusal("queue_timeout", ""),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: type(error).__name__)
def test_what_was_not_sent_is_no_outcome(error: BaseException) -> None:
    async def script(scene: Scene) -> None:
        _, second = await settle(scene.call(error, in_doubt=False), scene.call(answer()))
        assert isinstance(second, Response)
        assert not is_shared(second)

    assert run(script).guard.entries == 0


def test_a_repeat_waits_no_longer_than_its_own_deadline() -> None:
    async def script(scene: Scene) -> None:
        first, second = await settle(scene.call(answer(), takes=30), scene.call(answer(), deadline=10))
        assert isinstance(first, Response)
        assert isinstance(second, Refusal)
        assert second.slug == "repeat_in_flight"

    scene = run(script)
    assert scene.sent == 1
    assert scene.events == [RepeatEvent.WAITED, RepeatEvent.IN_FLIGHT]


def test_a_repeat_whose_caller_leaves_waits_no_more() -> None:
    async def script(scene: Scene) -> None:
        first = asyncio.ensure_future(scene.call(answer(), takes=30))
        second = asyncio.ensure_future(scene.call(answer()))
        await asyncio.sleep(2)
        second.cancel()
        await asyncio.wait([second])
        await first

    assert run(script).sent == 1


def test_no_intent_holds_nothing() -> None:
    async def script(scene: Scene) -> None:
        await settle(*(scene.call(lost(), intent=None) for _ in range(3)))

    assert run(script).sent == 3


def test_other_intents_do_not_meet() -> None:
    async def script(scene: Scene) -> None:
        await settle(scene.call(lost()))
        await scene.call(answer(), intent=RepeatIntent("b" * 64, 300.0))

    assert run(script).sent == 2


def test_report_mode_counts_and_holds_nothing() -> None:
    async def script(scene: Scene) -> None:
        await settle(scene.call(lost()), scene.call(lost()))
        await scene.call(answer())

    scene = run(script, reports=True)
    assert (scene.sent, scene.events) == (3, [RepeatEvent.REPORTED, RepeatEvent.REPORTED])


def test_report_mode_sends_what_it_has_no_room_for() -> None:
    async def script(scene: Scene) -> None:
        for letter in "ab":
            await settle(scene.call(lost(), intent=RepeatIntent(letter * 64, 300.0)))

    scene = run(script, reports=True, max_entries=1)
    assert (scene.sent, scene.events) == (2, [RepeatEvent.FULL])


def test_a_full_table_forgets_the_oldest_that_is_resolved_and_nothing_open() -> None:
    def intent(letter: str) -> RepeatIntent:
        return RepeatIntent(letter * 64, 300.0)

    async def script(scene: Scene) -> None:
        await scene.call(answer(), connected=False, intent=intent("a"))
        await settle(scene.call(lost(), intent=intent("b")))
        await settle(scene.call(lost(), intent=intent("c")))  # in the place of a
        assert scene.guard.entries == 2
        (refused,) = await settle(scene.call(answer(), intent=intent("d")))
        assert isinstance(refused, GatewayError)
        assert refused.slug == "repeat_guard_full"
        await asyncio.sleep(301)
        await scene.call(answer(), intent=intent("d"))

    scene = run(script, max_entries=2)
    assert (scene.sent, scene.events) == (4, [RepeatEvent.FULL])


def test_of_those_that_are_resolved_the_oldest_goes() -> None:
    def intent(letter: str) -> RepeatIntent:
        return RepeatIntent(letter * 64, 300.0)

    async def script(scene: Scene) -> None:
        for letter in "abc":  # the last one in the place of the first
            await scene.call(answer(), connected=False, intent=intent(letter))
        found = [await scene.call(answer(), intent=intent(letter)) for letter in "bca"]
        assert [is_shared(each) for each in found] == [True, True, False]

    run(script, max_entries=2)


def test_an_answer_that_was_left_is_one_callers() -> None:
    """The others wait whether it arrives: of three that called again, one has it, and two mean their own."""

    async def script(scene: Scene) -> None:
        await scene.call(answer(), connected=False)
        found = await settle(*(scene.call(answer(), writes=1) for _ in range(3)))
        assert sorted(map(is_shared, found)) == [False, False, True]

    assert run(script).sent == 3


def test_an_answer_too_large_to_keep_is_not_sent_again_either() -> None:
    class Rest:
        at_end = False

        async def read(self) -> bytes:
            return b""

        def close(self) -> None:
            pass

    async def script(scene: Scene) -> None:
        await scene.call(Response(201, "", (), b"", Rest()), connected=False)
        (repeat,) = await settle(scene.call(answer()))
        assert isinstance(repeat, Refusal)
        assert repeat.slug == "repeat_not_kept"

    assert run(script).sent == 1
