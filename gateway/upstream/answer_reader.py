"""One answer, from its first byte to its last: head, interim answers before it, and content. Pure.

A connection makes a fresh reader for each request, so that nothing of one answer outlives it.
"""

from typing import Final

from gateway.http.answer_head import CHUNKED, MAX_HEAD_BYTES, AnswerHead, read_answer_head
from gateway.upstream.body_framing import BodyFraming, ChunkedFraming, CloseFraming, SizedFraming

_MAX_INTERIM_ANSWERS: Final = 32
_ANSWER_START: Final = b"HTTP/1."


class AnswerReader:
    """`head` is None until it is there. `size` is what `take` would return, in bytes.

    `reusable` says, once the answer is `complete`, whether its connection may serve another request.
    """

    __slots__ = (
        "_content",
        "_framing",
        "_held",
        "_interim",
        "_to_head",
        "complete",
        "head",
        "reusable",
        "size",
    )

    def __init__(self, *, to_head: bool) -> None:
        self.head: AnswerHead | None = None
        self.complete = False
        self.reusable = False
        self.size = 0
        self._to_head = to_head
        self._held = b""
        self._interim = 0
        self._framing: BodyFraming | None = None
        self._content: list[bytes] = []

    def wants_ahead(self, held_bytes: int) -> bool:
        """Whether to read on although the reader of the body has not asked for more.

        uvloop drops what its TLS has read and not delivered, at most `held_bytes`, when the peer closes. So
        the end of a body is read ahead where it may be followed by a close.
        """
        if not held_bytes or self.reusable or self.size >= held_bytes:
            return False
        framing = self._framing
        return not isinstance(framing, SizedFraming) or framing.missing <= held_bytes

    def feed(self, data: bytes) -> None:
        """Read on. Raises `ValueError` for what is not an answer, or could be taken for two."""
        framing = self._framing
        if framing is None:
            self._read_head(self._held + data if self._held else data)
            return
        self._keep(framing.feed(data))
        if framing.complete:
            self.complete = True
            self.reusable = self.reusable and not framing.surplus

    def pass_by(self, size: int) -> bool:
        """Whether the next `size` bytes are a piece of content that goes straight on: it is not to be fed."""
        framing = self._framing
        return framing is not None and not self.size and framing.pass_by(size)

    def end(self, *, clean: bool) -> bool:
        """The connection ended, `clean` as its protocol asks for it; whether that completes the answer."""
        framing = self._framing
        if framing is not None and framing.ends_with_connection and clean:
            self.complete = True
        return self.complete

    def take(self) -> bytes:
        """The content that was read and not taken yet."""
        content = self._content
        if not content:
            return b""
        self._content = []
        self.size = 0
        return content[0] if len(content) == 1 else b"".join(content)

    def _read_head(self, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD_BYTES or data[:7] != _ANSWER_START[: len(data)]:
                    raise ValueError("not an HTTP/1 answer")
                self._held = data
                return
            head = read_answer_head(data[:end], to_head=self._to_head)
            data = data[end + 4 :]
            if head.status >= 200:
                break
            self._interim += 1
            if head.status == 101 or self._interim > _MAX_INTERIM_ANSWERS:
                raise ValueError("an interim answer that was not asked for, or too many of them")
            if not data:
                self._held = b""
                return
        self._held = b""
        self.head = head
        missing = head.length - len(data)
        if missing <= 0 <= head.length:  # the usual case: all of it came at once
            self.complete = True
            self.reusable = head.keep_alive and missing == 0
            self._keep(data[: head.length] if missing else data)
        else:
            self._begin_body(head, data)

    def _begin_body(self, head: AnswerHead, data: bytes) -> None:
        self.reusable = head.keep_alive
        if head.length >= 0:
            self._framing = SizedFraming(head.length)
        else:
            self._framing = ChunkedFraming() if head.length == CHUNKED else CloseFraming()
        if data:
            self.feed(data)

    def _keep(self, content: bytes) -> None:
        if content:
            self._content.append(content)
            self.size += len(content)
