"""What one consumer may leave unread is bounded, and counted back whatever way an answer ends."""

import pytest

from gateway.errors import Refusal
from gateway.http.buffered_bytes import BufferedBytes
from gateway.http.response import Response
from gateway.upstream.stream_counts import StreamCounts
from gateway.upstream.streamed_body import StreamedBody


class Source:
    """Of a connection, that it was given up."""

    def __init__(self) -> None:
        self.aborted = False

    def take(self) -> bytes:
        return b""

    def want(self) -> None:
        raise AssertionError("nobody reads here")

    def abort(self) -> None:
        self.aborted = True


def streamed() -> tuple[Response, StreamedBody, Source]:
    source = Source()
    rest = StreamedBody(source, slow=False)
    return Response(200, "OK", (), b"", rest), rest, source


def test_c1_a_consumer_has_so_many_and_no_more() -> None:
    counts = StreamCounts(2, BufferedBytes(1))
    for _ in range(2):
        counts.begin("app", streamed()[0], bounded=True)
    counts.require_room("other")
    with pytest.raises(Refusal, match="too_many_streams"):
        counts.require_room("app")
    answer, _, source = streamed()
    with pytest.raises(Refusal, match="too_many_streams"):
        counts.begin("app", answer, bounded=True)
    assert (source.aborted, counts.open("app")) == (True, 2)


def test_what_must_not_be_repeated_is_not_refused() -> None:
    counts = StreamCounts(1, BufferedBytes(1))
    for _ in range(3):
        counts.begin("app", streamed()[0], bounded=False)
    assert counts.open("app") == 3


@pytest.mark.parametrize("how", ["end", "fail", "close"])
def test_each_end_counts_once(how: str) -> None:
    counts = StreamCounts(1, BufferedBytes(1))
    answer, rest, _ = streamed()
    counts.begin("app", answer, bounded=True)
    if how == "end":
        rest.end(b"", None)
    elif how == "fail":
        rest.end(b"", ConnectionResetError())
    answer.close()
    answer.close()
    assert counts.open("app") == 0
    counts.require_room("app")


def test_an_answer_that_has_ended_already_is_not_counted() -> None:
    counts = StreamCounts(1, BufferedBytes(1))
    answer, rest, _ = streamed()
    rest.end(b"all of it", None)
    counts.begin("app", answer, bounded=True)
    assert counts.open("app") == 0


def test_c2_no_further_answer_is_streamed_while_too_much_is_held() -> None:
    buffers = BufferedBytes(100)
    counts = StreamCounts(2, buffers)
    buffers.used = 100
    answer, _, source = streamed()
    with pytest.raises(Refusal, match="buffers_full"):
        counts.begin("app", answer, bounded=True)
    assert (source.aborted, counts.open("app")) == (True, 0)
    counts.begin("app", streamed()[0], bounded=False)
    assert counts.open("app") == 1
