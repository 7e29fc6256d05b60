"""`gateway serve` under a service manager: Type=notify and its watchdog, as systemd would see them."""

import asyncio
import signal
from pathlib import Path

from tests.support.notify import service_manager
from tests.support.running import ENVIRON, spawned_gateway
from tests.support.upstream import raw_upstream


async def test_ready_alive_and_stopping(tmp_path: Path) -> None:
    """READY=1 comes when both ports are open; signs of life follow; the end is announced."""
    with service_manager(str(tmp_path / "notify")) as manager:
        environ = {**ENVIRON, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"}
        async with raw_upstream() as upstream, spawned_gateway(tmp_path, upstream.url, environ) as gateway:
            ready = await manager.told_of("READY")
            assert ready["MAINPID"] == str(gateway.process.pid)
            assert ready["STATUS"] == f"serving on {gateway.url}, admin on {gateway.admin_url}"
            for _ in range(3):
                assert await manager.told() == {"WATCHDOG": "1"}
            gateway.process.send_signal(signal.SIGTERM)
            assert (await manager.told_of("STOPPING"))["STOPPING"] == "1"
            assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


async def test_a_process_that_hangs_gives_no_sign(tmp_path: Path) -> None:
    """Stopped, it falls silent, which is what the watchdog acts on; let go on, it is heard again."""
    with service_manager(str(tmp_path / "notify")) as manager:
        environ = {**ENVIRON, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000"}
        async with raw_upstream() as upstream, spawned_gateway(tmp_path, upstream.url, environ) as gateway:
            await manager.told_of("READY")
            gateway.process.send_signal(signal.SIGSTOP)
            try:
                silent = False
                while not silent:  # what it sent before it stopped
                    try:
                        await asyncio.wait_for(manager.told(), 1)
                    except TimeoutError:
                        silent = True
            finally:
                gateway.process.send_signal(signal.SIGCONT)
            assert await manager.told() == {"WATCHDOG": "1"}
