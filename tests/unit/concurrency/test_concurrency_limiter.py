"""What the limiter promises to whoever waits, leaves or comes back."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.concurrency.concurrency_limiter import Permit, PermitOutcome
from gateway.consumers.consumer import Priority
from gateway.errors import Refusal
from tests.support.virtual_time import VirtualTimeLoop
from tests.unit.concurrency.limiter_scene import FAR, SUCCESS, Scene, played


@pytest.mark.parametrize("outcome", PermitOutcome)
def test_a_slot_goes_to_who_waits_once(outcome: PermitOutcome) -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        first = await scene.permit()
        waiting = [await scene.wait("b"), await scene.wait("c")]
        first.release(outcome)
        first.release(outcome)
        second = await waiting[0]
        await asyncio.sleep(0.2)
        assert not waiting[1].done()
        assert (scene.limiter.in_flight, scene.limiter.waiting) == (1, 1)
        second.release(SUCCESS)
        (await waiting[1]).release(SUCCESS)
        return scene

    played(script)


def cancel_then_release(waiter: "asyncio.Task[Permit]", holder: Permit) -> None:
    waiter.cancel()
    holder.release(SUCCESS)


def release_then_cancel(waiter: "asyncio.Task[Permit]", holder: Permit) -> None:
    holder.release(SUCCESS)
    waiter.cancel()


@pytest.mark.parametrize("act", [cancel_then_release, release_then_cancel])
def test_a_grant_that_meets_a_cancel_goes_to_the_next(
    act: Callable[["asyncio.Task[Permit]", Permit], None],
) -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit()
        gone, next_one = await scene.wait("gone"), await scene.wait("next")
        act(gone, holder)
        (await next_one).release(SUCCESS)
        with pytest.raises(asyncio.CancelledError):
            await gone
        return scene

    played(script)


def test_a_cancelled_waiter_leaves_at_once() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit()
        waiter = await scene.wait(deadline=5.0)
        waiter.cancel()
        await asyncio.wait([waiter])
        assert scene.limiter.waiting == 0
        assert loop.timers() == []
        holder.release(SUCCESS)
        return scene

    played(script)


@pytest.mark.parametrize("granted", [False, True])
def test_a_closed_coroutine_leaves_nothing(granted: bool) -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit()
        coroutine = scene.limiter.acquire("a", Priority.NORMAL, FAR)
        coroutine.send(None)
        if granted:
            holder.release(SUCCESS)
        coroutine.close()
        holder.release(SUCCESS)
        return scene

    played(script)


@pytest.mark.parametrize("cancel_first", [False, True])
def test_a_victim_may_be_cancelled_in_the_same_moment(cancel_first: bool) -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, queue_size=2)
        holder = await scene.permit()
        await_first, victim = await scene.wait("long"), await scene.wait("long")
        if cancel_first:
            victim.cancel()
        other = loop.create_task(scene.permit("short"))
        if not cancel_first:
            loop.call_soon(victim.cancel)
        with pytest.raises((asyncio.CancelledError, Refusal)):
            await victim
        for task in (holder, await_first, other):
            (task if isinstance(task, Permit) else await task).release(SUCCESS)
        return scene

    played(script)


def test_a_full_queue_refuses_the_newest_of_the_longest() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, queue_size=2)
        holder = await scene.permit()
        first, victim = await scene.wait("long"), await scene.wait("long")
        other = await scene.wait("short")
        with pytest.raises(Refusal) as refusal:
            await victim
        assert refusal.value.slug == "queue_full"
        assert refusal.value.headers == (("Retry-After", "1"),)
        with pytest.raises(Refusal, match="queue_full"):
            await scene.permit("long")
        assert scene.limiter.waiting == 2
        holder.release(SUCCESS)
        (await first).release(SUCCESS)
        (await other).release(SUCCESS)
        return scene

    played(script)


def test_a_deadline_ends_the_wait_on_time() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit()
        with pytest.raises(Refusal, match="queue_timeout"):
            await scene.permit(deadline=3.0)
        assert loop.time() == pytest.approx(3.0)
        holder.release(SUCCESS)
        return scene

    played(script)


def test_a_deadline_in_the_past_turns_nobody_out() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, queue_size=1)
        holder = await scene.permit(deadline=-1.0)  # no wait is needed, so none is too long
        waiter = await scene.wait()
        with pytest.raises(Refusal, match="queue_timeout"):
            await scene.permit("b", deadline=0.0)
        holder.release(SUCCESS)
        (await waiter).release(SUCCESS)
        return scene

    played(script)


@pytest.mark.parametrize("release_first", [False, True])
def test_a_deadline_in_the_moment_of_the_grant(release_first: bool) -> None:
    """Whichever comes first counts, and the permit is not lost."""

    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit()
        if release_first:
            loop.call_at(2.0, holder.release, SUCCESS)
        waiter = await scene.wait(deadline=2.0)
        if not release_first:
            loop.call_at(2.0, holder.release, SUCCESS)
        (result,) = await asyncio.gather(waiter, return_exceptions=True)
        assert loop.time() == pytest.approx(2.0)
        if isinstance(result, Permit):
            result.release(SUCCESS)
        else:
            assert isinstance(result, Refusal)
        return scene

    played(script)


def test_who_comes_back_goes_first() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop)
        holder = await scene.permit("holder")
        tasks = [await scene.wait("high", Priority.HIGH) for _ in range(3)]
        tasks.append(await scene.wait("back", Priority.LOW, in_front=True))
        holder.release(SUCCESS)
        for task in (tasks[3], *tasks[:3]):
            (await task).release(SUCCESS)
        assert scene.order == ["holder", "back", "high", "high", "high"]
        return scene

    played(script)


def test_a_newcomer_does_not_pass_who_waits_though_there_is_room() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, queue_size=1)
        holder = await scene.permit("holder")
        waiter = await scene.wait("waits")
        scene.limiter.adaptive_limit.limit = 2  # nobody told the limiter
        newcomer = await scene.wait("new")
        permit = await waiter
        assert scene.order == ["holder", "waits"]
        permit.release(SUCCESS)
        (await newcomer).release(SUCCESS)
        holder.release(SUCCESS)
        return scene

    played(script)
