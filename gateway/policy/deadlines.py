"""How long an exchange may take to the head of its answer.

The configuration gives the usual time. A client that is known to give up earlier, or to wait longer, gets its
own time-out less a second: our answer reaches it before it gives up and, perhaps, sends again (ADR 16). A
caller may lower or raise either by `Gateway-Timeout`, within the configured maximum.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.exchange import UNKNOWN_SDK
from gateway.http.request_head import Inbound
from gateway.http.user_agent import MAX_BYTES, read_sdk, split_sdk

MARGIN_SECONDS: Final = 1.0
"""What an answer has left to reach the client before the client gives up."""
_MAX_KEPT: Final = 512
_SECONDS: Final = re.compile(rb"[0-9]{1,5}(?:\.[0-9]{1,3})?")


class TimeLimit(NamedTuple):
    """Seconds to the head of the answer.

    `from_head` counts them from the request's head, as the client's own clock does; else they begin once the
    request has been read.
    """

    seconds: float
    from_head: bool = False


class Client(NamedTuple):
    """What a User-Agent says: the SDK and its version, and the time that its requests have."""

    sdk: str
    limit: TimeLimit


class Deadlines:
    """Times in seconds. `usual` is for clients whose own time-out is not known, and for those that never give
    up; `by_client` has the others by name, less the margin; `names` are all that are known.

    `kept` has what the User-Agents said that came so far, for nearly all requests come with one of a few.
    """

    __slots__ = ("by_client", "kept", "max_seconds", "names", "usual")

    def __init__(
        self, seconds: float, max_seconds: float, drain_seconds: float, timeouts: Mapping[str, float]
    ) -> None:
        """`timeouts` are the clients' own, by name, 0 for none.

        The maximum is never above `drain_seconds`, in which a stop lets requests end, nor below `seconds`.
        """
        self.max_seconds = max(seconds, min(max_seconds, drain_seconds))
        self.usual = Client(UNKNOWN_SDK, TimeLimit(seconds))
        self.names = frozenset(timeouts)
        self.by_client = {
            name: min(timeout - MARGIN_SECONDS, self.max_seconds)
            for name, timeout in timeouts.items()
            if timeout
        }
        self.kept: dict[bytes, Client] = {}

    def recognize(self, inbound: Inbound) -> Client:
        """The client that sent a request."""
        user_agent = inbound.single_fields.get(b"user-agent", b"")
        return self.kept.get(user_agent) or self._read(user_agent)

    def _read(self, user_agent: bytes) -> Client:
        sdk = read_sdk(user_agent)
        name, _ = split_sdk(sdk)
        client = self.usual
        if name in self.names:
            own = self.by_client.get(name)
            client = Client(sdk, client.limit if own is None else TimeLimit(own, from_head=True))
        if len(self.kept) < _MAX_KEPT and len(user_agent) <= MAX_BYTES:
            self.kept[user_agent] = client
        return client


def read_deadline(inbound: Inbound, limit: TimeLimit, max_seconds: float) -> TimeLimit:
    """The time that a request may take: its `Gateway-Timeout` if it has one, else `limit`.

    Raises `Refusal` (bad_header).
    """
    value = inbound.single_fields.get(b"gateway-timeout")
    if value is None:
        return limit
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    if seconds <= 0:
        raise Refusal("bad_header", "Gateway-Timeout is a number of seconds above 0, such as 2.5.")
    return TimeLimit(min(seconds, max_seconds))
