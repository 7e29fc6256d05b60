"""A listener that drains: a connection that is answered meanwhile may be idle for a second, and no longer."""

import asyncio

from gateway.listener.request import Request
from tests.support.caller_port import GET, Port, read_answer, reply
from tests.support.moved_clock import stopped_time
from tests.support.running import nobody_connects
from tests.unit.listener.test_lingering import until


async def test_a_connection_that_falls_idle_while_draining_ends_soon() -> None:
    gate = asyncio.Event()

    async def handle(request: Request) -> None:
        await gate.wait()
        reply(request)

    port = Port(handle)
    await port.listener.open("127.0.0.1", 0)
    reader, writer = await port.connect()
    writer.write(GET % b"x")
    await until(lambda: any(each.task is not None for each in port.listener._scope.connections))
    with stopped_time() as clock, nobody_connects():
        draining = asyncio.create_task(port.listener.drain(60))
        await asyncio.sleep(0)
        gate.set()
        assert await read_answer(reader) == b"/x"
        clock.advance(0.9)
        for _ in range(9):
            await asyncio.sleep(0)
        assert not draining.done()
        clock.advance(0.2)
        await until(draining.done)
        assert await reader.read() == b""
    writer.close()
