"""The service manager's end of sd_notify: a datagram socket, by path or abstract name."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceManager:
    """`name` is what NOTIFY_SOCKET holds."""

    name: str
    socket: socket.socket

    async def told(self) -> dict[str, str]:
        """The next message's assignments."""
        loop = asyncio.get_running_loop()
        return parse(await asyncio.wait_for(loop.sock_recv(self.socket, 4096), 20))

    async def told_of(self, name: str) -> dict[str, str]:
        """The next message that assigns `name`."""
        while name not in (message := await self.told()):
            pass
        return message


def parse(message: bytes) -> dict[str, str]:
    """`READY=1\\nMAINPID=7` as a mapping."""
    return dict(line.split("=", 1) for line in message.decode().split("\n"))


@contextmanager
def service_manager(name: str) -> Iterator[ServiceManager]:
    """Listens at `name`: a path, or `@name` in the abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind("\0" + name[1:] if name.startswith("@") else name)
        receiving.setblocking(False)
        yield ServiceManager(name, receiving)
