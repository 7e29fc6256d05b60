"""How long an exchange may take to the head of its answer.

The configuration gives the usual time. A client that is known to give up earlier, or to wait longer, gets its
own time-out less a second: our answer reaches it before it gives up and, perhaps, sends again (ADR 16). A
caller may lower or raise either by `Gateway-Timeout`, within the configured maximum.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.exchange import UNKNOWN_SDK, Sdk
from gateway.http.request_head import Inbound
from gateway.http.user_agent import read_sdk

MARGIN_SECONDS = 1.0
"""What an answer has left to reach the client before the client gives up."""
_SECONDS = re.compile(rb"[0-9]{1,5}(?:\.[0-9]{1,3})?")


class TimeLimit(NamedTuple):
    """Seconds to the head of the answer.

    `from_head` counts them from the request's head, as the client's own clock does; else they begin once the
    request has been read.
    """

    seconds: float
    from_head: bool = False


@dataclass(frozen=True, slots=True)
class Deadlines:
    """`seconds` is for callers whose time-out is unknown; `by_client` has the names of all clients that are
    known, None for those that wait for ever. Times in seconds."""

    seconds: float
    max_seconds: float
    by_client: Mapping[str, float | None]

    def recognize(self, inbound: Inbound) -> Sdk:
        """The caller's SDK, `UNKNOWN_SDK` if it is none that the configuration or Twilio names."""
        sdk = read_sdk(inbound.single_fields.get(b"user-agent", b""))
        return sdk if sdk.name in self.by_client else UNKNOWN_SDK


def make_deadlines(
    seconds: float, max_seconds: float, drain_seconds: float, client_timeouts: Mapping[str, float]
) -> Deadlines:
    """Deadlines by a table of clients' own time-outs (seconds, 0 for none).

    The maximum is never above `drain_seconds`, in which a stop lets requests end, nor below `seconds`.
    """
    most = max(seconds, min(max_seconds, drain_seconds))
    return Deadlines(
        seconds,
        most,
        {
            name: min(timeout - MARGIN_SECONDS, most) if timeout else None
            for name, timeout in client_timeouts.items()
        },
    )


def read_deadline(inbound: Inbound, sdk: Sdk, deadlines: Deadlines) -> TimeLimit:
    """The time that a request may take. Raises `Refusal` (bad_header) if `Gateway-Timeout` is wrong."""
    value = inbound.single_fields.get(b"gateway-timeout")
    if value is None:
        own = deadlines.by_client.get(sdk.name)
        return TimeLimit(deadlines.seconds) if own is None else TimeLimit(own, from_head=True)
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    if seconds <= 0:
        raise Refusal("bad_header", "Gateway-Timeout is a number of seconds above 0, such as 2.5.")
    return TimeLimit(min(seconds, deadlines.max_seconds))
