"""A response on its way to the caller: its head, and as much of its body as was read so far. Pure."""

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from gateway.http.answer_head import AnswerHead

RawFields = tuple[tuple[bytes, bytes], ...]
"""Field lines as (name, value), in the order and case in which they came."""

_NO_BODY_STATUSES: Final = frozenset({204, 304})


class BodyRest(Protocol):
    """The part of a response's body that has not been read yet.

    Reading it to its end gives the upstream connection back; `close` gives the rest up, and the connection is
    not used again.
    """

    @property
    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        ...

    async def read(self) -> bytes:
        """The next bytes, waited for if there are none yet; b'' only at the end.

        Raises `UpstreamFailure` (upstream_unreadable) where the body breaks off or falls silent.
        """
        ...

    def close(self) -> None:
        """Give up what is unread. May be called more than once, and after the end."""
        ...


class Response:
    """`body` is the whole body if `rest` is None, else its beginning, and `rest` reads on."""

    __slots__ = ("_head", "body", "fields", "reason", "rest", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        fields: RawFields,
        body: bytes,
        rest: BodyRest | None,
        head: "AnswerHead | None" = None,
    ) -> None:
        self._head = head
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body
        self.rest = rest

    @property
    def unchanged_head(self) -> "AnswerHead | None":
        """What was read from a connection, while the fields are those that came; None for a kept response."""
        head = self._head
        return head if head is not None and head.fields is self.fields else None

    def has_body(self, method: str) -> bool:
        """Whether a body follows the head of this response to `method` (RFC 9110 6.4.1)."""
        return method != "HEAD" and self.status not in _NO_BODY_STATUSES

    def close(self) -> None:
        """Give up an unread rest."""
        if self.rest is not None:
            self.rest.close()
            self.rest = None
