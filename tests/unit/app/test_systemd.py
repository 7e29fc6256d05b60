"""sd_notify as the service manager sees it, over real sockets."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.systemd import Notifier
from tests.support.notify import ServiceManager, parse, service_manager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceManager]:
    """Both forms of a socket's name."""
    name = f"@gateway-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with service_manager(name) as opened:
        yield opened


async def test_what_is_told(manager: ServiceManager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name})
    notifier.ready("serving on\nREADY=0 " + "x" * 500)
    told = await manager.told()
    assert told.keys() == {"READY", "MAINPID", "STATUS"}
    assert (told["READY"], told["MAINPID"]) == ("1", str(os.getpid()))
    assert told["STATUS"].startswith("serving on READY=0 xxx")
    assert len(told["STATUS"]) == 200
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    told = await manager.told()
    assert told.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert told["RELOADING"] == "1"
    assert before <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.ready()
    assert await manager.told() == {"READY": "1", "MAINPID": str(os.getpid())}
    notifier.stopping("draining")
    assert await manager.told() == {"STOPPING": "1", "STATUS": "draining"}
    notifier.close()
    notifier.ready()  # after the end: nothing, and no error
    with pytest.raises(BlockingIOError):
        manager.socket.recv(4096)


async def test_signs_of_life_come_from_the_loop(manager: ServiceManager) -> None:
    """They go on while it runs, and stop while it is stuck."""
    notifier = Notifier({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "40000"})
    notifier.beat_on(asyncio.get_running_loop())
    for _ in range(3):
        assert await manager.told() == {"WATCHDOG": "1"}
    manager.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        manager.socket.recv(4096)  # blocks the loop's own thread, for many times the interval
    manager.socket.setblocking(False)
    assert await manager.told() == {"WATCHDOG": "1"}
    notifier.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}],
    ids=["none", "off", "no number", "another process's"],
)
async def test_no_watchdog(manager: ServiceManager, environ: dict[str, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name, **environ})
    notifier.beat_on(asyncio.get_running_loop())
    with pytest.raises(BlockingIOError):
        manager.socket.recv(4096)
    notifier.close()


async def test_a_watchdog_of_this_process(manager: ServiceManager) -> None:
    watchdog = {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier({"NOTIFY_SOCKET": manager.name, **watchdog})
    notifier.beat_on(asyncio.get_running_loop())
    assert parse(manager.socket.recv(4096)) == {"WATCHDOG": "1"}
    notifier.close()


@pytest.mark.parametrize("name", [None, "", "vsock:2:1234", "relative", "/nowhere/at/all"])
async def test_nobody_to_tell(name: str | None) -> None:
    """No service manager, one we cannot speak to, or one that is gone: the gateway goes on."""
    notifier = Notifier({"WATCHDOG_USEC": "1000", **({} if name is None else {"NOTIFY_SOCKET": name})})
    notifier.beat_on(asyncio.get_running_loop())
    notifier.ready("serving")
    notifier.close()


async def test_a_manager_that_reads_nothing_blocks_nobody(manager: ServiceManager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name})
    for _ in range(10_000):  # a datagram queue holds far fewer (net.unix.max_dgram_qlen)
        notifier.ready()
    notifier.close()
