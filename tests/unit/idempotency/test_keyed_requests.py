"""Holding a claim in one process: who sends, who waits, and what every way out leaves behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.idempotency.keyed_requests import ClaimGuard, Idempotency, IdempotencyOptions
from gateway.policy.idempotency_key import Claim
from tests.support.idempotency import CLAIM, ClaimHolder

OTHER_BODY = CLAIM._replace(fingerprint="2:" + "2" * 64)
OTHER_KEY = CLAIM._replace(scope="b" * 64)


class Desk(ClaimHolder):
    """An `Idempotency` in memory, its clock and its events."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.events: list[str] = []
        self.changed = asyncio.Event()
        self.room = Idempotency(IdempotencyOptions(**options), lambda: self.now, on_event=self._note)

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    async def send(self, claim: Claim | None = CLAIM, status: int = 201) -> tuple[bool, Response]:
        """One keyed request: (whether it was sent, the answer)."""
        async with self.hold(claim) as held:
            if held.replay is not None:
                return False, held.replay
            return True, await held.keep(_answer(status))


def _answer(status: int = 201) -> Response:
    return Response(status, "Created", ((b"X", b"1"),), b'{"sid": "SM1"}', None)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_the_second_is_given_the_firsts_answer(desk: Desk) -> None:
    sent, first = await desk.send()
    assert sent
    sent, second = await desk.send()
    assert not sent
    assert (second.status, second.reason, second.body) == (first.status, first.reason, first.body)
    assert second.fields == ((b"X", b"1"), (b"Idempotent-Replayed", b"true"))
    assert desk.events == ["sent", "replayed"]


async def test_what_is_done_to_the_answer_later_is_not_replayed(desk: Desk) -> None:
    _, first = await desk.send()
    first.body, first.fields = b"rewritten", ()
    _, second = await desk.send()
    assert second.body == b'{"sid": "SM1"}'


async def test_without_a_claim_nothing_is_held(desk: Desk) -> None:
    assert [(await desk.send(None))[0] for _ in range(2)] == [True, True]
    async with desk.hold(None) as held:
        await held.unknown()
        await held.release()
    assert (desk.events, desk.room.entries) == ([], 0)


async def test_another_body_is_refused_and_another_key_is_not(desk: Desk) -> None:
    await desk.send()
    assert await desk.slug(OTHER_BODY) == "idempotency_conflict"
    assert (await desk.send(OTHER_KEY))[0]


async def test_it_is_forgotten_in_its_time(desk: Desk) -> None:
    await desk.send()
    desk.now = 86_399
    assert not (await desk.send())[0]
    desk.now = 86_400
    assert (await desk.send())[0]


async def test_an_answer_dropped_for_room_is_refused_not_sent() -> None:
    desk = Desk(max_bytes=10)
    await desk.send()
    assert await desk.slug() == "idempotency_not_kept"
    assert desk.room.answer_bytes == 0


WAYS_OUT: list[tuple[str, BaseException, bool, str]] = [
    ("refusal", Refusal("body_too_large", ""), False, ""),
    ("refusal_of_a_retry", Refusal("body_too_large", ""), True, "idempotency_unknown"),
    ("not_sent", UpstreamFailure("upstream_unreachable", FailurePhase.CONNECT, ""), False, ""),
    (
        "retry_not_sent",
        UpstreamFailure("upstream_unreachable", FailurePhase.CONNECT, ""),
        True,
        "idempotency_unknown",
    ),
    ("lost", UpstreamFailure("upstream_lost", FailurePhase.SENT, ""), False, "idempotency_unknown"),
    ("cut", UpstreamFailure("upstream_unreadable", FailurePhase.RESPONSE, ""), False, "idempotency_unknown"),
    ("cancelled_in_doubt", asyncio.CancelledError(), True, "idempotency_unknown"),
    ("cancelled_in_the_queue", asyncio.CancelledError(), False, ""),
    ("fault_in_doubt", RuntimeError(), True, "idempotency_unknown"),
    ("fault_before", RuntimeError(), False, ""),
    ("internal_error", GatewayError("internal_error", ""), True, "idempotency_unknown"),
]


@pytest.mark.parametrize(
    ("error", "in_doubt", "slug"), [row[1:] for row in WAYS_OUT], ids=[row[0] for row in WAYS_OUT]
)
async def test_ways_out(desk: Desk, error: BaseException, in_doubt: bool, slug: str) -> None:
    if isinstance(error, UpstreamFailure):
        error.with_outcome(replayable=False)
    with pytest.raises(type(error)):
        async with desk.hold(in_doubt=in_doubt):
            raise error
    assert await desk.slug() == slug


async def test_an_end_that_nobody_told_of_is_unknown(desk: Desk) -> None:
    async with desk.hold(in_doubt=False):
        pass
    assert await desk.slug() == "idempotency_unknown"


async def test_the_first_end_stands(desk: Desk) -> None:
    async with desk.hold() as held:
        await held.keep(_answer())
        await held.release()
        await held.unknown()
    assert not (await desk.send())[0]


async def test_a_503_says_nothing_of_the_deed(desk: Desk) -> None:
    await desk.send(status=503)
    assert await desk.slug() == "idempotency_unknown"


async def _waiting(desk: Desk, count: int) -> None:
    """Let the loop turn until `count` requests wait."""
    async with asyncio.timeout(60):
        while desk.events.count("waited") < count:
            desk.changed.clear()
            await desk.changed.wait()


async def _begin_and_follow(
    desk: Desk, followers: int, end: Callable[[ClaimGuard], Awaitable[object]]
) -> list[tuple[bool, Response] | BaseException]:
    """A first request ends by `end` while `followers` of the same key wait for it."""
    async with desk.hold() as held:
        tasks = [asyncio.create_task(desk.send()) for _ in range(followers)]
        await _waiting(desk, followers)
        await end(held)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_duplicates_wait_and_are_given_the_answer(desk: Desk) -> None:
    results = await _begin_and_follow(desk, 50, lambda held: held.keep(_answer()))
    assert [result[0] for result in results if isinstance(result, tuple)] == [False] * 50


async def test_when_the_first_is_released_exactly_one_sends(desk: Desk) -> None:
    results = await _begin_and_follow(desk, 50, lambda held: held.release())
    assert sorted(result[0] for result in results if isinstance(result, tuple)) == [False] * 49 + [True]


async def test_duplicates_of_an_unknown_outcome_are_told(desk: Desk) -> None:
    results = await _begin_and_follow(desk, 3, lambda held: held.unknown())
    assert [result.slug for result in results if isinstance(result, Refusal)] == ["idempotency_unknown"] * 3


async def test_another_body_does_not_wait(desk: Desk) -> None:
    async with desk.hold() as held:
        assert await desk.slug(OTHER_BODY) == "idempotency_conflict"
        await held.keep(_answer())


async def test_waiting_ends_at_the_deadline(desk: Desk) -> None:
    async with desk.hold() as held:
        assert await desk.slug(seconds=0.01) == "idempotency_in_flight"
        assert await desk.slug(seconds=-1) == "idempotency_in_flight"
        await held.keep(_answer())
    assert not (await desk.send())[0]


async def test_a_caller_that_stops_waiting_takes_nothing_with_it(desk: Desk) -> None:
    async with desk.hold() as held:
        impatient, patient = (asyncio.create_task(desk.send()) for _ in range(2))
        await _waiting(desk, 2)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await held.keep(_answer())
    assert not (await patient)[0]


async def test_a_follower_cancelled_as_it_is_woken_leaves_the_claim_to_the_next(desk: Desk) -> None:
    async with desk.hold() as held:
        first, second = (asyncio.create_task(desk.send()) for _ in range(2))
        await _waiting(desk, 2)
        await held.release()
        first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second)[0]


async def test_a_full_table_refuses_and_lets_others_through() -> None:
    desk = Desk(max_entries=1)
    async with desk.hold() as held:
        assert await desk.slug(OTHER_KEY) == "idempotency_full"
        await held.keep(_answer())
    assert (await desk.send(OTHER_KEY))[0]
    assert desk.events == ["sent", "idempotency_full", "forgotten", "sent"]
    await desk.room.close()
