"""One request as a connection sends it, and how its answer is to be read."""

from collections.abc import AsyncIterable


class Sending:
    """`data` holds the credential; no `repr`. `deadline` is the loop's clock, other times are in seconds.

    `whole` keeps an answer back until it can be handed out in one piece, up to `MAX_BUFFERED_BYTES` of
    `hand_out.py`; `links` does so if it is JSON, in which links are replaced. `upload` is a body that
    follows `data`, `chunked` or as it is: it takes as long as it takes, but the peer must take some of it
    every `upload_seconds`, which are also what its answer has from the upload's end, or from the answer's
    head if that comes first.
    """

    __slots__ = (
        "chunked", "data", "deadline", "idle_seconds", "links", "to_head", "upload", "upload_seconds",
        "whole",
    )  # fmt: skip

    def __init__(
        self,
        data: bytes,
        to_head: bool,
        deadline: float,
        idle_seconds: float,
        whole: bool,
        upload: AsyncIterable[bytes] | None = None,
        chunked: bool = False,
        upload_seconds: float = 0.0,
        links: bool = False,
    ) -> None:
        self.data = data
        self.to_head = to_head
        self.deadline = deadline
        self.idle_seconds = idle_seconds
        self.whole = whole
        self.upload = upload
        self.chunked = chunked
        self.upload_seconds = upload_seconds
        self.links = links

    def __repr__(self) -> str:
        return "Sending()"
