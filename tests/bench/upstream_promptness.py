"""Whether the simulator reads what it is sent: asked over a new connection each time, as a gateway's may be.

On a machine with too much to do connections wait to be accepted. A create that waits there for longer than
Twilio takes at most is made after looks have rightly shown that it is absent.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

LATEST_SECONDS: Final = 8.0
"""So long after its connection broke a create may be made."""
_EVERY_SECONDS: Final = 0.5


class UpstreamPromptness:
    """Of the simulator at `url`. `slowest` is in seconds, by the loop's clock."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._address = parts.hostname, parts.port
        self.slowest = 0.0
        self.asked = 0

    async def watch(self) -> None:
        """Ask again and again; what is not answered yet counts as well."""
        while True:
            asking = asyncio.create_task(self._ask())
            began = asyncio.get_running_loop().time()
            while not (await asyncio.wait({asking}, timeout=_EVERY_SECONDS))[0]:
                self._note(began)
            asking.result()
            self._note(began)
            self.asked += 1
            await asyncio.sleep(_EVERY_SECONDS)

    def _note(self, began: float) -> None:
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(b"GET /-/faults HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()

    @property
    def is_late(self) -> bool:
        """Whether a create may have been made later than Twilio makes one."""
        return self.slowest > LATEST_SECONDS

    def describe(self) -> str:
        """For people."""
        return f"the simulator answered {self.asked} new connections, the slowest after {self.slowest:.2f} s"
