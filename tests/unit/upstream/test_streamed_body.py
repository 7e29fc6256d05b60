"""The rest of an answer, by itself: what its reader learns when it ends, and when it is closed."""

import pytest

from gateway.errors import UpstreamFailure
from gateway.upstream.streamed_body import StreamedBody
from gateway.upstream.upstream_failures import timed_out


class Source:
    """A connection that has nothing more."""

    def __init__(self) -> None:
        self.aborted = 0

    def take(self) -> bytes:
        return b""

    def want(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted += 1


async def test_a_failure_that_nobody_waited_for_is_told_at_each_read() -> None:
    """The first time as it was; it is not kept, for its traceback would hold its reader."""
    body = StreamedBody(Source(), slow=False)
    body.end(b"", timed_out())
    assert not body.at_end
    for slug in ("upstream_timeout", "upstream_unreadable", "upstream_unreadable"):
        with pytest.raises(UpstreamFailure, match=slug):
            await body.read()


async def test_what_came_before_the_end_is_read_once() -> None:
    body = StreamedBody(Source(), slow=False)
    body.end(b"last", None)
    assert not body.at_end
    assert (await body.read(), await body.read(), body.at_end) == (b"last", b"", True)


def test_closing_lets_go_of_the_connection_once() -> None:
    source = Source()
    body = StreamedBody(source, slow=True)
    told: list[str] = []
    body.on_end, body.on_close = lambda: told.append("end"), lambda: told.append("close")
    assert body.is_open
    for _ in range(2):
        body.close()
    assert (body.is_open, source.aborted, told) == (False, 1, ["end", "close"])
