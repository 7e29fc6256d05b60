"""A listener that ends: what the kernel took for it is served, and what falls idle meanwhile ends soon."""

import asyncio
import socket

from gateway.listener.drain import stop_accepting
from gateway.listener.request import Request
from tests.support.caller_port import GET, Port, read_answer, reply
from tests.support.loops import Run, on_both_loops
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


@on_both_loops
def test_what_waits_in_the_backlog_is_accepted(run: Run) -> None:
    """Closing a listening socket resets it (docs/adr/0009)."""

    async def scene() -> None:
        accepted: list[asyncio.BaseTransport] = []

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.append(transport)

        server = await asyncio.get_running_loop().create_server(Accepted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        callers = [socket.create_connection(address) for _ in range(20)]  # the loop stands still meanwhile
        await stop_accepting(server)
        await until(lambda: len(accepted) == len(callers))
        for each in callers:
            each.close()
        for transport in accepted:
            transport.close()
        await asyncio.sleep(0)

    run(scene())
