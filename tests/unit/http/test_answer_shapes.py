"""A head that is read by a pattern that was learnt means what it means line by line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.answer_head import AnswerHead, read_answer_head
from gateway.http.answer_shapes import AnswerShapes
from tests.support.native import attributes_of

_VALUES = st.sampled_from(
    [
        b"24 Aug 2023 05:01:45 GMT", b"RQ1", b"RQ2", b"a", b"b c", b"", b" x", b"x ", b"\xe9", b"\tx", b"a:b",
        b"5", b"7", b"05", b"+5", b"5, 5", b"close", b"keep-alive", b"chunked", b"X-Named", b"x\x01",
        b"x\r\n y",
    ]
)  # fmt: skip
_NAMES = (
    b"Date", b"Twilio-Request-Id", b"Content-Length", b"content-length", b"Connection", b"Transfer-Encoding",
    b"X-Named", b"X-Named ", b"X-Request-Id", b"Gateway-Attempts", b"Vary",
)  # fmt: skip
_USUAL = (b"Date", b"Twilio-Request-Id", b"Content-Length", b"Vary")
_STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 201 Created", b"HTTP/1.0 200 OK", b"HTTP/1.1 304 X"]
)


def _told(head: bytes, shapes: AnswerShapes) -> object:
    try:
        found = read_answer_head(head, to_head=False, shapes=shapes)
    except ValueError as error:
        return str(error)
    names = {name.lower() for name, _ in found.fields}
    assert found.located or b"location" not in names  # a hint: line by line it is not looked for
    return [getattr(found, name) for name in attributes_of(AnswerHead) if name != "located"]


@given(
    st.sampled_from(
        [
            _USUAL,
            (*_USUAL, b"Connection"),
            (*_USUAL, b"location"),
            (b"Transfer-Encoding", b"Date"),
            _NAMES,
            _NAMES[:3],
        ]
    ),
    _STATUS_LINES,
    st.lists(st.lists(_VALUES, min_size=len(_NAMES), max_size=len(_NAMES)), min_size=3, max_size=6),
)
@example(
    _USUAL,
    b"HTTP/1.1 200 OK",
    [
        [b"a", b"RQ1", b"5", b"x"],
        [b"b", b"RQ2", b"7", b"x"],
        [b"c", b"RQ3", b"5, 5", b"x"],
        [b"c", b"", b"05", b"x"],
    ],
)
def test_the_same_by_a_shape_and_line_by_line(
    names: tuple[bytes, ...], status_line: bytes, heads: list[list[bytes]]
) -> None:
    shapes = AnswerShapes()
    for values in heads:
        lines = [b"%b: %b" % pair for pair in zip(names, values, strict=False)]
        head = b"\r\n".join((status_line, *lines))
        assert _told(head, shapes) == _told(head, AnswerShapes())


def _head(date: bytes, length: bytes = b"5", vary: bytes = b"Origin") -> bytes:
    return b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Length: %b\r\nVary: %b" % (date, length, vary)


@pytest.fixture
def shapes() -> AnswerShapes:
    """Has seen that Date varies."""
    shapes = AnswerShapes()
    for date in (b"1", b"2"):
        read_answer_head(_head(date), to_head=False, shapes=shapes)
    return shapes


def test_what_varied_may_vary(shapes: AnswerShapes) -> None:
    found = shapes.read(_head(b"3"))
    assert found is not None
    assert found[1] == ((b"Date", b"3"), (b"Content-Length", b"5"), (b"Vary", b"Origin"))
    assert found[2] == b"Date: 3\r\nContent-Length: 5\r\nVary: Origin\r\n"


def test_what_is_new_is_read_line_by_line_and_learnt(shapes: AnswerShapes) -> None:
    new = _head(b"3", b"7", b"Accept")
    assert shapes.read(new) is None
    assert read_answer_head(new, to_head=False, shapes=shapes).length == 7
    assert shapes.read(_head(b"4", b"11", b"*")) is not None


@pytest.mark.parametrize(
    "head", [_head(b""), _head(b"3 "), _head(b"\xe9"), _head(b"3", b"05"), _head(b"3\r\nA: 1")]
)
def test_no_shape_for_what_is_written_otherwise(shapes: AnswerShapes, head: bytes) -> None:
    assert shapes.read(head) is None


def test_the_number_of_shapes_is_bounded(shapes: AnswerShapes) -> None:
    for number in range(20):
        for date in (b"1", b"2"):
            odd = _head(date) + b"\r\nX-%d: 1" % number
            read_answer_head(odd, to_head=False, shapes=shapes)
    assert shapes.read(_head(b"3") + b"\r\nX-19: 1") is None
    assert shapes.read(_head(b"3")) is not None
