"""Where bytes from Twilio are read to: one buffer for all connections of a pool.

They can share it because each read is looked at before the next.
"""

from typing import Final

READ_BYTES: Final = 65_536
"""Most bytes that are taken from a connection at once; a streamed answer that its caller leaves unread keeps
one buffer."""


class ReadBuffer:
    """`view` is where the next bytes go."""

    __slots__ = ("view",)

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BYTES))

    def replace(self) -> None:
        """What was read is still needed as it is: the next read goes to another buffer."""
        self.view = memoryview(bytearray(READ_BYTES))
