"""When an answer that has not ended is handed out, and until when it may be buffered."""

import math

import pytest

from gateway.http.answer_head import AnswerHead
from gateway.upstream.hand_out import HAND_OUT_SECONDS, buffering_due, hand_out_at
from gateway.upstream.sending import Sending

NOW = 100.0


def sending(*, whole: bool = False, links: bool = False) -> Sending:
    return Sending(b"", False, 130.0, 10.0, whole, links=links)


def head(status: int, content_type: bytes) -> AnswerHead:
    return AnswerHead(status, "", ((b"Content-Type", content_type),), 9, True)


@pytest.mark.parametrize(
    ("request_sent", "answer", "due"),
    [
        pytest.param(sending(), head(200, b"text/csv"), NOW + HAND_OUT_SECONDS, id="any"),
        pytest.param(sending(), head(200, b"text/event-stream"), NOW, id="event-stream"),
        pytest.param(sending(whole=True), head(200, b"text/event-stream"), math.inf, id="kept-whole"),
        pytest.param(sending(), head(400, b"text/csv"), math.inf, id="error"),
        pytest.param(sending(links=True), head(200, b"application/json"), math.inf, id="links-in-json"),
        pytest.param(sending(links=True), head(200, b"audio/mpeg"), NOW + HAND_OUT_SECONDS, id="no-links"),
    ],
)
def test_when_an_answer_is_handed_out(request_sent: Sending, answer: AnswerHead, due: float) -> None:
    assert hand_out_at(request_sent, answer, NOW) == due


@pytest.mark.parametrize(
    ("idle_due", "handed_out_at", "due"),
    [
        pytest.param(110.0, 100.1, 100.1, id="handed-out-soon"),
        pytest.param(140.0, 135.0, 135.0, id="handed-out-after-the-deadline"),
        pytest.param(110.0, math.inf, 110.0, id="silent"),
        pytest.param(140.0, math.inf, 130.0, id="deadline"),
    ],
)
def test_until_when_an_answer_is_buffered(idle_due: float, handed_out_at: float, due: float) -> None:
    assert buffering_due(sending(), idle_due, handed_out_at) == due
