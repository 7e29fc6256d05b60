"""What a connection to Twilio does at a time. Pure."""

from enum import IntEnum
from typing import Final


class ConnectionPhase(IntEnum):
    """What a connection does."""

    IDLE = 0
    SENT = 1  # waits for an answer's head
    BUFFERING = 2  # the head is there, the answer is not handed out yet
    STREAMING = 3  # the rest of the body is read as its reader asks
    CLOSED = 4


# A member that is asked for by name costs 1,000 instructions.
IDLE: Final = ConnectionPhase.IDLE
SENT: Final = ConnectionPhase.SENT
BUFFERING: Final = ConnectionPhase.BUFFERING
STREAMING: Final = ConnectionPhase.STREAMING
CLOSED: Final = ConnectionPhase.CLOSED
