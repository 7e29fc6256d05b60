"""Where bytes from Twilio are read to: one buffer for all connections of a pool.

They can share it because each read is looked at before the next.
"""

from typing import Final

SHORT_BYTES: Final = 65_536
"""Most bytes that are read at once before an answer is streamed: what has come of it is handed out whole."""
LONG_BYTES: Final = 81_920
"""The same of an answer that is streamed. One whose caller leaves it unread keeps a buffer."""


class ReadBuffer:
    """`long` is all of it, `short` its beginning."""

    __slots__ = ("long", "short")

    def __init__(self) -> None:
        self.replace()

    def replace(self) -> None:
        """What was read is still needed as it is: the next read goes to another buffer."""
        self.long = memoryview(bytearray(LONG_BYTES))
        self.short = self.long[:SHORT_BYTES]
