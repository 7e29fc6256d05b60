"""Supervised loops: restarted after a failure, reported, counted, and aged while they make no progress."""

import ast
import asyncio
import threading

import pytest

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from tests.support.sources import GATEWAY, TREES, modules
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

_STARTERS = {"create_task", "ensure_future", "Thread"}
UNSUPERVISED = {
    "redis/redis_connection.py": {
        "_serve",
        "_write",
    },  # end with the connection; the next script makes another
    "client_relay/program.py": {"_send_on"},  # `gateway run`: ends with the program
    "client_relay/relay.py": {"_copy"},  # ends with its connection
}
"""Functions with a loop that are started as a task or thread and may end."""


class Failures(list[tuple[str, str]]):
    """What was reported: the loop's name and the kind of error."""

    def __call__(self, name: str, error: BaseException) -> None:
        self.append((name, type(error).__name__))


def test_c11_a_loop_that_fails_starts_again_after_a_growing_pause() -> None:
    failures = Failures()
    starts: list[float] = []

    async def main(loop: VirtualTimeLoop) -> None:
        loops = BackgroundLoops(failures, loop.time)

        async def body(state: BackgroundLoop) -> None:
            starts.append(loop.time())
            if len(starts) == 4:
                state.beat()  # a good round: the pauses begin anew
            raise ValueError("as it happens")

        task = loops.start("sharing", 5.0, body)
        await asyncio.sleep(9.5)
        assert [(each.name, each.failures) for each in loops] == [("sharing", 5)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert list(loops) == []

    run_in_virtual_time(main)
    assert starts == pytest.approx([0, 1, 3, 7, 8])
    assert failures == [("sharing", "ValueError")] * 5


def test_c11_a_cancellation_that_is_not_its_own_does_not_end_a_loop() -> None:
    """Something that it awaits is cancelled: the loop goes on. Its own cancellation ends it."""
    failures = Failures()

    async def main(loop: VirtualTimeLoop) -> None:
        rounds = 0

        async def body(state: BackgroundLoop) -> None:
            nonlocal rounds
            rounds += 1
            inner = loop.create_future()
            loop.call_soon(inner.cancel)
            await inner

        loops = BackgroundLoops(failures, loop.time)
        task = loops.start("jwks", 5.0, body)
        await asyncio.sleep(3.5)
        assert rounds == 3
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    run_in_virtual_time(main)
    assert failures == [("jwks", "CancelledError")] * 3


def test_a_loop_that_hangs_shows_by_its_age() -> None:
    now = [100.0]
    loop = BackgroundLoops(clock=lambda: now[0]).add("watch", 10.0)
    now[0] = 107.0
    assert loop.age_seconds == 7.0
    loop.beat()
    assert loop.age_seconds == 0.0


def test_a_loop_that_returns_has_ended_on_purpose() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        async def body(state: BackgroundLoop) -> None:
            await asyncio.sleep(1)

        loops = BackgroundLoops(clock=loop.time)
        task = loops.start("probe", 5.0, body)
        await asyncio.sleep(0.5)
        assert [each.name for each in loops] == ["probe"]
        await task
        assert list(loops) == []

    run_in_virtual_time(main)


def test_c11_a_thread_that_fails_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.background.loops._MIN_PAUSE_SECONDS", 0.0)
    failures = Failures()
    loops, parts = BackgroundLoops(failures), BackgroundLoops()
    loops.include(parts)
    again, stopped = threading.Event(), threading.Event()
    starts: list[int] = []

    def body(state: BackgroundLoop) -> None:
        starts.append(len(starts))
        if len(starts) < 3:
            raise OSError("as it happens")
        again.set()
        stopped.wait()

    thread = parts.start_thread("log_writer", 5.0, body, stopped)
    assert again.wait(10)
    assert [(each.name, each.failures) for each in loops] == [("log_writer", 2)]
    stopped.set()
    thread.join(10)
    assert failures == [("log_writer", "OSError")] * 2
    assert list(loops) == []


def _started(tree: ast.AST) -> set[str]:
    """The names of functions that are started as a task or thread in a file."""
    names = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        starter = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if starter not in _STARTERS:
            continue
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            called = argument.func if isinstance(argument, ast.Call) else argument
            names.add(called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", ""))
    return names


@pytest.mark.sources
def test_c11_every_background_loop_is_supervised() -> None:
    """A function with a loop in it is not handed to `create_task` or `Thread` but to the supervisor."""
    found = {}
    for path in modules(GATEWAY):
        tree = TREES[path]
        loops = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and any(isinstance(inner, ast.While) for inner in ast.walk(node))
        }
        if unsupervised := loops & _started(tree):
            found[path.relative_to(GATEWAY).as_posix()] = unsupervised
    found.pop("background/loops.py")
    assert {
        name: functions for name, functions in found.items() if functions - UNSUPERVISED.get(name, set())
    } == {}
