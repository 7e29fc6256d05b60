"""How many bytes of bodies are held in memory for all requests together, and how many may be. Pure.

Counted are request bodies that are read before they are sent on, for as long as their request lasts; what a
streamed upload may have on its way; answers that are read whole to be rewritten; and what callers leave
unread of their answers. Records of keyed requests and of the repeat guard have bounds of their own.
"""

from gateway.errors import Refusal


class BufferedBytes:
    """`used` and `limit` in bytes. One for all ports, on the loop; read from other threads."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def require_room(self, size: int) -> None:
        """Raises `Refusal` (buffers_full) unless there is room for `size` more bytes."""
        if self.used + size > self.limit:
            raise Refusal(
                "buffers_full",
                "Too many bytes of bodies are held for all callers together; try again shortly.",
                headers=(("Retry-After", "1"),),
            )
