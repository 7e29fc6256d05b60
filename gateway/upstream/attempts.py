"""The attempts of one exchange, driven by aiohttp-retry through one options object per request.

`Attempts` is what aiohttp-retry takes for its client session: each call to `request` is one attempt with one
key. The decision after each answer is `policy/retries.decide_attempt`; nothing is decided here.
"""

import asyncio
from collections.abc import AsyncIterable
from typing import Any, Protocol

from aiohttp import ClientResponse, ClientSession
from aiohttp_retry import RetryOptionsBase
from yarl import URL

from gateway.errors import Phase, UpstreamFailure
from gateway.exchange import Exchange
from gateway.policy.credentials import ApiKey
from gateway.policy.outbound import Outbound
from gateway.policy.retries import Decision, Outcome, decide_attempt, read_code
from gateway.upstream.answer import Answer, has_plain_framing, read_answer
from gateway.upstream.deadline import Deadline
from gateway.upstream.wire import Wire

MOST_BUFFERED_BYTES = 65_536
"""A body up to this size reaches the caller in one piece; until it is read, an attempt has not succeeded."""

_UNBOUNDED = 1 << 30
_CODED = frozenset({401, 429})


class AttemptOptions(RetryOptionsBase):
    """Leaves every decision to the callback: no status, exception or count is judged by the library."""

    def __init__(self, attempts: "Attempts") -> None:
        # Not super().__init__(): it would build sets per request that are never looked at.
        self.attempts = _UNBOUNDED
        self.statuses = ()
        self.exceptions = ()
        self.methods = attempts.methods
        self.retry_all_server_errors = False
        self.evaluate_response_callback = attempts.evaluate

    def get_timeout(self, attempt: int, response: ClientResponse | None = None) -> float:
        """Seconds to wait before the next attempt: another key needs no wait."""
        return 0.0


class FailoverObserver(Protocol):
    """Told when a key is refused and the next one is tried."""

    def __call__(self, outbound: Outbound, key: ApiKey, /) -> None: ...


class Attempts:
    """State of one exchange's attempts. `answer` is set when `evaluate` has handed one back."""

    def __init__(
        self,
        session: ClientSession,
        outbound: Outbound,
        exchange: Exchange,
        keys: tuple[ApiKey, ...],
        *,
        stream: AsyncIterable[bytes] | None,
        deadline: float,
        idle_seconds: float,
        on_failover: FailoverObserver,
    ) -> None:
        self.methods = (outbound.method,)
        self.key = keys[0]
        self.answer: Answer | None = None
        self.wire: Wire | None = None
        self._session = session
        self._outbound = outbound
        self._exchange = exchange
        self._keys_left = keys[1:]
        self._stream = stream
        self._deadline = deadline
        self._idle_seconds = idle_seconds
        self._on_failover = on_failover
        self._first_refused: Answer | None = None

    async def request(self, method: str, url: URL, **_: Any) -> ClientResponse:
        """One attempt, up to the answer's head. Raises what aiohttp raises, and `TimeoutError`."""
        self._exchange.attempts += 1
        self.wire = wire = build_wire(self._outbound, self.key, self._stream)
        if self._stream is not None:
            # An upload takes as long as it takes; the session's read time-out begins when it is sent.
            return await self._session.request(method, url, data=wire, allow_redirects=False)
        with Deadline(self._deadline):
            return await self._session.request(method, url, data=wire, allow_redirects=False)

    async def evaluate(self, response: ClientResponse) -> bool:
        """Take the answer in; True hands it back, False tries again."""
        if response.status == 101:
            response.close()
            raise UpstreamFailure("upstream_unreadable", Phase.RESPONSE, "Twilio switched protocols unasked.")
        if not has_plain_framing(response):
            response.close()
            raise UpstreamFailure("upstream_unreadable", Phase.RESPONSE, "Twilio's answer is framed oddly.")
        answer = await read_answer(response, MOST_BUFFERED_BYTES, self._idle_seconds)
        code = read_code(answer.body) if answer.status in _CODED else 0
        decision = decide_attempt(
            Outcome(answer.status, code), keys_left=len(self._keys_left), resendable=self._stream is None
        )
        if decision is Decision.NEXT_KEY:
            answer.close()
            self._first_refused = self._first_refused or answer
            self._exchange.failovers += 1
            self._on_failover(self._outbound, self.key)
            self.key, *rest = self._keys_left
            self._keys_left = tuple(rest)
            return False
        if answer.status == 401 and self._first_refused is not None:
            answer.close()
            answer = self._first_refused  # all keys failed: the first no is the telling one
        self.answer = answer
        return True

    @property
    def sent(self) -> bool:
        """Whether a byte of the latest attempt may have left."""
        return self.wire is not None and self.wire.sent


def build_wire(outbound: Outbound, key: ApiKey, stream: AsyncIterable[bytes] | None) -> Wire:
    """The bytes of one attempt: what was judged, with the credential set last."""
    head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%bAuthorization: %b\r\n%b\r\n" % (
        outbound.method.encode("ascii"),
        outbound.target.encode("ascii"),
        outbound.host.encode("ascii"),
        outbound.fields,
        key.authorization,
        _framing(outbound.length),
    )
    return Wire(head, outbound.body, stream, outbound.length)


def _framing(length: int | None) -> bytes:
    if length is None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"" if length < 0 else b"Content-Length: %d\r\n" % length


def loop_deadline(seconds: float) -> float:
    """The loop's clock `seconds` from now."""
    return asyncio.get_running_loop().time() + seconds
