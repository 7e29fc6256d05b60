"""Row B16: a consumer's name is given to another consumer; neither has what the other's creates came to."""

import asyncio

import pytest

from gateway.errors import Refusal
from gateway.http.response import Response
from tests.unit.repeat_guard.test_repeat_guard import INTENT, Scene, answer, is_shared, lost, run, settle

FORMER = INTENT._replace(identities=("a" * 16, "b" * 16))
ROTATED = INTENT._replace(identities=("b" * 16, "c" * 16))
ANOTHER = INTENT._replace(identities=("d" * 16,))
NAMELESS = INTENT


def test_b16_an_open_outcome_is_not_another_consumers() -> None:
    async def script(scene: Scene) -> None:
        first, second = await settle(scene.call(lost(), intent=FORMER), scene.call(answer(), intent=ANOTHER))
        assert first.__class__ is lost().__class__
        assert isinstance(second, Response)
        assert not is_shared(second)

    assert run(script).sent == 2


@pytest.mark.parametrize("again", [FORMER, ROTATED, NAMELESS], ids=["same", "rotated", "unknown"])
def test_b16_a_consumer_that_shares_an_identity_is_held(again: object) -> None:
    """As is one of which nothing is known, in what the previous release has entered."""
    assert isinstance(again, type(INTENT))

    async def script(scene: Scene) -> None:
        await settle(scene.call(lost(), intent=FORMER))
        (held,) = await settle(scene.call(answer(), intent=again))
        assert isinstance(held, Refusal)
        assert held.slug == "repeat_unknown"

    assert run(script).sent == 1


def test_b16_an_answer_that_no_caller_took_is_not_another_consumers() -> None:
    async def script(scene: Scene) -> None:
        await scene.call(answer(sid="SM1"), intent=FORMER, connected=False)
        mine = await scene.call(answer(sid="SM2"), intent=ANOTHER)
        assert (mine.body, is_shared(mine)) == (b"SM2", False)
        owed = await scene.call(answer(sid="SM3"), intent=ROTATED)
        assert (owed.body, is_shared(owed)) == (b"SM1", True)

    assert run(script).sent == 2


def test_b16_each_is_held_by_its_own_outcome() -> None:
    """The former one's repeats were on their way when its name changed hands."""

    async def script(scene: Scene) -> None:
        await settle(scene.call(lost(), intent=FORMER))
        await settle(scene.call(lost(), intent=ANOTHER))
        (held,) = await settle(scene.call(answer(), intent=ANOTHER))
        assert isinstance(held, Refusal)

    assert run(script).sent == 2


def test_b16_one_that_is_done_does_not_free_the_other() -> None:
    async def script(scene: Scene) -> None:
        await settle(scene.call(lost(), intent=FORMER))
        await scene.call(answer(), intent=ANOTHER)
        (held,) = await settle(scene.call(answer(), intent=FORMER))
        assert isinstance(held, Refusal)

    assert run(script).sent == 2


def test_b16_of_two_that_waited_for_a_former_consumers_one_waits_for_the_other() -> None:
    async def script(scene: Scene) -> None:
        gone = asyncio.ensure_future(settle(scene.call(lost(), intent=FORMER)))
        await asyncio.sleep(0.1)
        one, two = await settle(
            scene.call(answer(), intent=ANOTHER, connected=False), scene.call(answer(), intent=ANOTHER)
        )
        await gone
        assert isinstance(one, Response)
        assert is_shared(two)

    assert run(script).sent == 2
