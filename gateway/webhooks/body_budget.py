"""How many bytes of bodies are held before anything is known of who sent them. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.errors import Refusal
from gateway.http.request_head import Inbound

MAX_BYTES: Final = 67_108_864
_FREE_BYTES: Final = 65_536
"""What every connection may have; Twilio's events are a few KiB."""


class BodyBudget:
    """One for each listener: larger bodies share it, so that unverified requests cannot fill the memory."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.held = 0
        self._max_bytes = max_bytes

    @contextmanager
    def hold(self, inbound: Inbound, most: int) -> Iterator[None]:
        """While a body of at most `most` bytes is read and verified. Raises `Refusal` (503)."""
        length = most if inbound.chunked else min(inbound.content_length or 0, most)
        wanted = length if length > _FREE_BYTES else 0
        if self.held + wanted > self._max_bytes:
            raise Refusal("too_many_connections", "Too many large bodies are under way.", closes=True)
        self.held += wanted
        try:
            yield
        finally:
            self.held -= wanted
