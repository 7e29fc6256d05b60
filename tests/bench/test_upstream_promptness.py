"""What the simulator of a long run makes of a request that it reads late."""

import asyncio
import socket
from base64 import b64encode

import pytest

from tests.bench.upstream_promptness import UpstreamPromptness
from tests.support.attempts import until
from tests.support.caller import FORM, raw_caller, request
from twilio_simulator import DEFAULT_ACCOUNT, DEFAULT_API_KEY, DEFAULT_API_SECRET, Simulator

_CREATE = request(
    f"POST /2010-04-01/Accounts/{DEFAULT_ACCOUNT.sid}/Messages.json",
    FORM,
    body=b"To=%2B15005550006&From=%2B15005550001&Body=Hello",
    auth="Basic " + b64encode(f"{DEFAULT_API_KEY}:{DEFAULT_API_SECRET}".encode()).decode(),
)


class Scene:
    """A simulator, and the clock by which its loop is seen to stand still."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.seconds = 0.0
        self.bodies: list[str] = []
        simulator.store.record_body = self.note  # type: ignore[method-assign]
        self.promptness = UpstreamPromptness(simulator, lambda: self.seconds)

    def note(self, body: str, sid: str) -> None:
        self.bodies.append(body)

    @property
    def made(self) -> int:
        return len(self.bodies)

    async def send_and_leave(self) -> None:
        """The kernel has the request and the end before the simulator's loop can read either."""
        with socket.create_connection(self.address) as caller:
            caller.sendall(_CREATE)
        await until(lambda: any(each.outcome != "open" for each in self.simulator.journal))

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.simulator.url.removeprefix("http://").partition(":")
        return host, int(port)


@pytest.mark.parametrize(("seconds", "made"), [(0.5, 1), (2.0, 0)])
async def test_what_is_read_late_is_not_made(seconds: float, made: int) -> None:
    async with Simulator() as simulator:
        scene = Scene(simulator)
        scene.seconds = seconds  # since the loop's last turn
        await scene.send_and_leave()
        assert (scene.made, scene.promptness.undone) == (made, 1 - made)


async def test_a_caller_that_is_there_waits_for_a_late_simulator() -> None:
    async with Simulator() as simulator:
        scene = Scene(simulator)
        scene.seconds = 2.0
        async with raw_caller(scene.address[1]) as caller:
            await caller.send(_CREATE)
            assert (await caller.answer("POST")).status == 201
        assert scene.made == 1


async def test_what_was_to_be_made_later_is_not_made_at_another_time() -> None:
    waits: list[asyncio.Future[None]] = []

    async def sleep(_: float) -> None:
        waits.append(asyncio.get_running_loop().create_future())
        await waits[-1]

    async with Simulator(sleep=sleep) as simulator:
        scene = Scene(simulator)
        simulator.faults.add("commit-late=3", method="POST")
        await scene.send_and_leave()
        await until(lambda: bool(waits))
        scene.seconds += 3.7  # the loop came back to it so late
        waits[0].set_result(None)
        await until(lambda: scene.promptness.undone == 1)
        assert scene.made == 0
