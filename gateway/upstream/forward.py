"""Sending what was granted and bringing back an answer, or the failure that the caller has to be told of."""

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Callable

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    ClientSession,
    ConnectionTimeoutError,
)
from aiohttp_retry import RetryClient
from yarl import URL

from gateway.errors import Phase, UpstreamFailure
from gateway.exchange import Exchange
from gateway.policy.credentials import Account, ApiKey
from gateway.policy.outbound import Outbound
from gateway.policy.retries import AUTHENTICATE, read_code
from gateway.upstream.answer import Answer, read_answer
from gateway.upstream.attempts import MOST_BUFFERED_BYTES, AttemptOptions, Attempts, build_wire, loop_deadline
from gateway.upstream.deadline import Deadline
from gateway.upstream.keys import KeyRing
from gateway.upstream.transport import TransportOptions
from gateway.upstream.wire import NotSentError

# aiohttp-retry writes repr() of exceptions at debug level; ours go through the exchange's record instead.
_SILENT = logging.getLogger("gateway.upstream.silent")
_SILENT.disabled = True

FailoverHook = Callable[[str, str, str], None]
"""(event, masked account SID, masked key SID); events: refused, put_aside, restored."""


class Forwarder:
    """One per process. Holds the pooled session and the health of the keys."""

    def __init__(
        self, session: ClientSession, keyring: KeyRing, options: TransportOptions, on_key: FailoverHook
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._options = options
        self._on_key = on_key
        self._origins: dict[str, URL] = {}
        self._tests: set[asyncio.Task[None]] = set()

    async def send(
        self, outbound: Outbound, exchange: Exchange, stream: AsyncIterable[bytes] | None = None
    ) -> Answer:
        """The answer to `outbound`. Raises `UpstreamFailure`; a cancelled attempt closes its connection."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter()  # uvloop's own clock ticks in milliseconds
        attempts = Attempts(
            self._session,
            outbound,
            exchange,
            self._keyring.order(outbound.account),
            stream=stream,
            deadline=loop.time() + self._options.deadline_seconds,
            idle_seconds=self._options.idle_seconds,
            on_failover=self._refused,
        )
        client = RetryClient(attempts, _SILENT, AttemptOptions(attempts))  # type: ignore[arg-type]
        try:
            await client.request(outbound.method, self._origin(outbound.host))
        except UpstreamFailure as failure:
            raise failure.with_outcome(replayable=outbound.replayable) from failure.__cause__
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            failed = translate_failure(error, sent=attempts.sent)
            raise failed.with_outcome(replayable=outbound.replayable) from error
        except asyncio.CancelledError:  # drained, or hung up on: what was sent may have been done
            exchange.unknown = attempts.sent and not outbound.replayable
            raise
        finally:
            exchange.upstream_seconds += time.perf_counter() - began
        answer = attempts.answer
        assert answer is not None
        if len(outbound.account.keys) > 1 and answer.status < 300:
            self._keyring.note_success(attempts.key, outbound.effective, outbound.host, outbound.target)
        return answer

    async def close(self) -> None:
        """End key tests and close the pool."""
        for task in self._tests:
            task.cancel()
        await asyncio.gather(*self._tests, return_exceptions=True)
        await self._session.close()

    def _origin(self, host: str) -> URL:
        origin = self._origins.get(host)
        if origin is None:
            origin = self._options.connect_to or URL.build(scheme="https", host=host)
            self._origins[host] = origin
        return origin

    def _refused(self, outbound: Outbound, key: ApiKey) -> None:
        self._on_key("refused", outbound.account.sid, key.label)
        now = asyncio.get_running_loop().time()
        read = self._keyring.due_test(outbound.account, key, outbound.host, now)
        if read is not None:
            task = asyncio.create_task(self._test_key(outbound.account, key, *read))
            self._tests.add(task)
            task.add_done_callback(self._tests.discard)

    async def _test_key(self, account: Account, key: ApiKey, host: str, target: str) -> None:
        """A read with a key that was refused; only a second no puts the key aside."""
        probe = Outbound("GET", "GET", host, target, b"", b"", -1, False, account, True)
        wire = build_wire(probe, key, None)
        try:
            with Deadline(loop_deadline(self._options.deadline_seconds)):
                response = await self._session.request(
                    "GET", self._origin(host), data=wire, allow_redirects=False
                )
                answer = await read_answer(response, MOST_BUFFERED_BYTES, self._options.idle_seconds)
        except (ClientError, TimeoutError, OSError, ValueError):
            return  # tells nothing about the key
        answer.close()
        if answer.status == 401 and read_code(answer.body) == AUTHENTICATE:
            self._keyring.put_aside(key, asyncio.get_running_loop().time())
            self._on_key("put_aside", account.sid, key.label)
        elif answer.status < 300 and self._keyring.is_aside(key):
            self._keyring.restore(key)
            self._on_key("restored", account.sid, key.label)


def translate_failure(error: Exception, *, sent: bool) -> UpstreamFailure:
    """An exception of the client library as a failure with its phase (httpx's way of naming them).

    The text never quotes the exception: its repr can hold header fields.
    """
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError | NotSentError) or not sent:
        return UpstreamFailure(
            "upstream_unreachable",
            Phase.CONNECT,
            "No connection to Twilio could be made; nothing was sent, so it is safe to try again.",
        )
    if isinstance(error, ClientResponseError | ClientPayloadError | ValueError):
        return UpstreamFailure(
            "upstream_unreadable", Phase.RESPONSE, "Twilio's answer was cut short or is not valid HTTP."
        )
    if isinstance(error, TimeoutError):
        return UpstreamFailure(
            "upstream_timeout", Phase.SENT, "Twilio did not answer in time; it may have done what was asked."
        )
    return UpstreamFailure(
        "upstream_lost",
        Phase.SENT,
        "The connection broke before Twilio answered; it may have done what was asked.",
    )
