"""When an answer is handed out: in one piece once it has ended, or sooner, so that its caller need not wait.

Pure: times are those of the event loop's clock, which is given.
"""

import math
from typing import Final

from gateway.http.answer_head import AnswerHead, is_event_stream, is_json
from gateway.upstream.sending import Sending

MAX_BUFFERED_BYTES: Final = 65_536
"""A body up to this size reaches the caller in one piece; until it is read, an attempt has not succeeded."""

HAND_OUT_SECONDS: Final = 0.1
"""Seconds after its head by which an answer must have ended, or it is streamed, unless it is needed whole."""


def hand_out_at(sending: Sending, head: AnswerHead, now: float) -> float:
    """When an answer whose head has come at `now` is handed out although it has not ended: `now` for an
    event stream, `math.inf` for one that is needed whole."""
    # Decisions after an error need its body, and links in JSON are replaced.
    if sending.whole or head.status >= 400 or (sending.links and is_json(head.fields)):
        return math.inf
    return now if is_event_stream(head.fields) else now + HAND_OUT_SECONDS


def buffering_due(sending: Sending, idle_due: float, handed_out_at: float) -> float:
    """Until when an answer may go on being buffered: the deadline bounds those that are needed whole."""
    due = min(idle_due, handed_out_at)
    return due if handed_out_at < math.inf else min(due, sending.deadline)
