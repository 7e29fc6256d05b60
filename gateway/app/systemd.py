"""Reports the process state to the service manager (sd_notify of systemd): ready, reloading, stopping.

Without `NOTIFY_SOCKET` it does nothing. Watchdog messages are sent from the given loop: a stuck loop sends
none, and systemd restarts the process. Must not know why a state changes, nor what the gateway is made of.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_MAX_STATUS: Final = 200  # characters; systemd shows it on one line


class Notifier:
    """Speaks the protocol of https://www.freedesktop.org/software/systemd/man/sd_notify.html.

    A message that cannot be delivered is dropped: the service manager acts on its absence by itself (a start
    that times out, a watchdog that fires), and says so in its own journal.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self._seconds = _beat_seconds(environ) if self._socket is not None else None
        self._beating: asyncio.TimerHandle | None = None

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is done. `status` is a line that `systemctl status` shows."""
        self._tell("READY=1", f"MAINPID={os.getpid()}", *_status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it, whether or not the new configuration was good."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The process begins to stop. Watchdog messages continue until `close`."""
        self._tell("STOPPING=1", *_status(status))

    def beat_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send a watchdog message from `loop`, now and at half the interval of the watchdog."""
        if self._seconds is not None:
            self._tell("WATCHDOG=1")
            self._beating = loop.call_later(self._seconds, self.beat_on, loop)

    def close(self) -> None:
        """Stop sending."""
        if self._beating is not None:
            self._beating.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *assignments: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError:
            return  # no listener, or its queue is full; blocking here would be the hang that we report


def _address(given: str) -> str | None:
    """A path, or a name of the abstract namespace (`@name`); other families, such as vsock, are not ours."""
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else None


def _beat_seconds(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC (as sd_watchdog_enabled(3) advises), if it is meant for this process."""
    given, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not given.isdecimal() or int(given) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(given) / 2_000_000


def _status(text: str) -> list[str]:
    """No assignment of its own can follow from a line break in a status."""
    return [f"STATUS={' '.join(text.split())[:_MAX_STATUS]}"] if text else []
