"""The attempts of one exchange: a permit each, one key each, and what follows from their outcome (ADR 3).

What to do next is decided by `retry/retry_policy.decide_attempt`; what that means for permits, keys, waiting
and the answer that is handed back is here.
"""

import asyncio
import time
from collections.abc import AsyncIterable
from functools import partial
from typing import Final

from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, Permit, PermitOutcome
from gateway.consumers.credentials import ApiKey
from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.exchange import Exchange, PhaseKind
from gateway.http.header_fields import find_field
from gateway.http.response import Response
from gateway.policy.outbound import Outbound
from gateway.retry.retry_policy import (
    RETRIED_STATUSES,
    NextStep,
    Outcome,
    Situation,
    decide_attempt,
    may_have_been_done,
    read_code,
    read_retry_after,
    shrinks_limit,
)
from gateway.upstream.request_bytes import build_request
from gateway.upstream.retry_delay import RetryDelay
from gateway.upstream.sending import Sending
from gateway.upstream.shared_state import CallerGoneError, CallerLink, SharedState
from gateway.upstream.streamed_body import StreamedBody
from gateway.upstream.upstream_connection import UpstreamConnection

_LEFT: Final = "the caller left before this attempt"
_CODED: Final = frozenset({401, 429})
_PLAIN: Final = {status: Outcome(status) for status in (200, 201, 202, 204)}
# Asked for by name, an enumeration's member costs 1,000 instructions each time.
_HAND_BACK: Final = NextStep.HAND_BACK
_QUEUE: Final = PhaseKind.QUEUE
_SUCCESS: Final = PermitOutcome.SUCCESS
_SAYS_NOTHING: Final = frozenset({429, 502, 503, 504})  # about how many requests Twilio takes at once


class Attempts:
    """State of one exchange's attempts. `key` is the one that the last attempt was made with."""

    __slots__ = (
        "_answer", "_caller", "_deadline", "_delay", "_exchange", "_first_refused", "_keys_left", "_limiter",
        "_links", "_maybe_done", "_origin", "_outbound", "_shared", "_started_at", "_upload", "_whole", "key",
    )  # fmt: skip

    def __init__(
        self,
        shared: SharedState,
        outbound: Outbound,
        exchange: Exchange,
        limiter: ConcurrencyLimiter,
        keys: tuple[ApiKey, ...],
        origin: str,
        *,
        caller: CallerLink,
        upload: AsyncIterable[bytes] | None,
        deadline: float,
        whole: bool,
        links: bool,
    ) -> None:
        self.key = keys[0]
        self._outbound = outbound
        self._origin = origin
        self._shared = shared
        self._exchange = exchange
        self._limiter = limiter
        self._caller = caller
        self._keys_left = keys[1:]
        self._upload = upload
        self._deadline = deadline
        self._whole = whole
        self._links = links
        self._delay: RetryDelay | None = None
        self._answer: Response | None = None
        self._first_refused: Response | None = None
        self._started_at = 0.0
        self._maybe_done = False

    async def run(self) -> Response:
        """The answer to hand back. Raises `UpstreamFailure`, or `Refusal` if there was no permit in time."""
        while True:
            self._require_closed_breaker()
            try:
                permit = self._acquire_now() or await self._acquire()
                answer = await self._attempt(permit)
            except Refusal:
                if self._answer is None:
                    raise
                return self._answer  # what Twilio said last says more than that we are too busy to ask again
            except UpstreamFailure as failure:
                if not self._retries_failure(failure):
                    raise failure.with_outcome(replayable=self._outbound.replayable) from None
            else:
                contended = self._limiter.waiting
                outcome = self._finish(permit, answer)
                if contended and answer.rest is None:
                    await self._limiter.let_granted_send()
                if self._follows(answer, outcome):
                    return self._hand_back(answer)
            assert self._delay is not None
            await asyncio.sleep(self._delay.seconds)

    def _acquire_now(self) -> Permit | None:
        """A permit for the first attempt, if none is waited for."""
        if self._delay is not None:
            return None
        self._caller.cancel_on_disconnect(True)
        return self._limiter.acquire_now()

    async def _acquire(self) -> Permit:
        """Wait for a permit; a caller that waits may leave at any time."""
        self._caller.cancel_on_disconnect(True)
        outbound = self._outbound
        asked_at = time.perf_counter()
        try:
            # While a POST was in flight, which another key would send again; before that it is cancelled.
            if self._delay is not None and self._caller.gone:
                raise CallerGoneError(_LEFT)
            return await self._limiter.acquire(
                outbound.consumer.name,
                outbound.consumer.priority,
                self._deadline,
                in_front=self._delay is not None and self._delay.in_front,
            )
        except BaseException:
            self._shared.breakers.abandoned(outbound.host)
            raise
        finally:
            self._exchange.record_queue(_QUEUE, asked_at, time.perf_counter())

    async def _attempt(self, permit: Permit) -> Response:
        """Send the request once. Raises `UpstreamFailure`, or `Refusal` if no connection came free."""
        exchange, outbound, pool = self._exchange, self._outbound, self._shared.pool
        exchange.attempts += 1
        exchange.key = self.key.label
        self._started_at = time.perf_counter()
        connection: UpstreamConnection | None = None
        try:
            self._caller.require_known()
            connection = pool.take(self._origin) or await pool.acquire(self._origin, self._deadline)
            # Until now the caller could leave and nothing was sent; a POST in flight goes on without it.
            if not outbound.replayable and self._caller.has_left:
                pool.give_back(connection)
                connection = None
                raise CallerGoneError(_LEFT)
            self._caller.cancel_on_disconnect(outbound.replayable)
            exchange.in_doubt = not outbound.replayable
            answer = await connection.exchange(self._sending())
        except UpstreamFailure:
            permit.release(PermitOutcome.IGNORED)
            raise
        except BaseException:  # hung up on, drained, or no connection in time: no permit may leak
            self._shared.breakers.abandoned(outbound.host)
            permit.release(PermitOutcome.IGNORED)
            if connection is None:
                exchange.attempts -= 1
            else:
                self._note(time.perf_counter(), Outcome())
            raise
        self._shared.breakers.succeeded(outbound.host)
        return answer

    def _sending(self) -> Sending:
        outbound, shared = self._outbound, self._shared
        return Sending(
            build_request(outbound, self.key),
            outbound.method == "HEAD",
            self._deadline,
            shared.idle_seconds,
            self._whole,
            self._upload,
            outbound.length is None,
            shared.deadline_seconds,
            self._links,
        )

    def _finish(self, permit: Permit, answer: Response) -> Outcome:
        """An answer came: give the permit back, or leave it with a body that is only slow."""
        status = answer.status
        outcome = _PLAIN.get(status) or Outcome(status, read_code(answer.body) if status in _CODED else 0)
        verdict = _verdict_on(outcome, self._outbound.product)
        rest = answer.rest
        if isinstance(rest, StreamedBody) and rest.slow and rest.is_open:
            rest.on_end = partial(permit.release, verdict)
        else:
            permit.release(verdict)
        return outcome

    def _follows(self, answer: Response, outcome: Outcome) -> bool:
        """Carry out the decision. Returns True if no further attempt follows."""
        ended = time.perf_counter()
        step = _HAND_BACK
        # An error of 64 KiB is no error document; it is not kept.
        if outcome.status in RETRIED_STATUSES and answer.rest is None:
            step = decide_attempt(outcome, self._situation())
        again = step is not _HAND_BACK and self._prepare(step, answer, outcome)
        self._note(ended, outcome, step if again else "")
        return not again

    def _prepare(self, step: NextStep, answer: Response, outcome: Outcome) -> bool:
        """Prepare another attempt; False if none can be made."""
        delay = self._make_delay()
        if step is NextStep.NEXT_KEY:
            self._next_key(answer, delay)
            return True
        self._answer = answer
        self._maybe_done |= may_have_been_done(outcome)
        retry_after = read_retry_after(
            find_field(answer.fields, b"retry-after").decode("latin-1"), time.time()
        )
        if step is NextStep.REQUEUE:
            self._exchange.in_doubt = False
            return delay.plan_requeue(retry_after)
        return delay.plan_retry(retry_after)

    def _retries_failure(self, failure: UpstreamFailure) -> bool:
        """Whether another attempt follows a failed one."""
        if failure.phase is FailurePhase.CONNECT:
            breakers, host = self._shared.breakers, self._outbound.host
            if asyncio.get_running_loop().time() >= self._deadline:
                breakers.abandoned(host)  # the permit came too late: that says nothing about the host
            else:
                breakers.failed(host, time.monotonic(), failure.reason)
            self._exchange.in_doubt = False
            self._exchange.reason = failure.reason
        outcome = Outcome(failed_in=failure.phase)
        step = decide_attempt(outcome, self._situation())
        again = step is NextStep.RETRY and self._make_delay().plan_retry(0.0)
        self._note(time.perf_counter(), outcome, step if again else "", failure.reason)
        if again:
            self._maybe_done |= may_have_been_done(outcome)
        return again

    def _next_key(self, answer: Response, delay: RetryDelay) -> None:
        self._exchange.in_doubt = False
        self._first_refused = self._first_refused or answer
        self._exchange.failovers += 1
        self._shared.on_failover(self._outbound, self.key)
        self.key, *rest = self._keys_left
        self._keys_left = tuple(rest)
        delay.none()

    def _make_delay(self) -> RetryDelay:
        if self._delay is None:
            self._delay = RetryDelay(self._shared, self._exchange, self._caller, self._deadline)
        return self._delay

    def _situation(self) -> Situation:
        return Situation(
            replayable=self._outbound.replayable,
            resendable=self._upload is None,
            product=self._outbound.product,
            keys_left=len(self._keys_left),
            signals=self._exchange.signals,
        )

    def _require_closed_breaker(self) -> None:
        breakers, host = self._shared.breakers, self._outbound.host
        if not breakers.allows(host, time.monotonic()):
            self._exchange.reason = breakers.reason(host)
            raise UpstreamFailure(
                "upstream_unreachable",
                FailurePhase.CONNECT,
                "Twilio could not be reached lately; nothing was sent, so it is safe to try again.",
            )

    def _note(self, ended: float, outcome: Outcome, then: str = "", reason: str = "") -> None:
        """Put the attempt on the exchange's timeline, and the wait before the next one, if `then` says so."""
        exchange = self._exchange
        exchange.record_attempt(
            self._started_at, ended, outcome.status, outcome.code, outcome.failed_in or "", then, reason
        )
        if then and self._delay is not None:
            exchange.record_backoff(ended, self._delay.seconds)

    def _hand_back(self, answer: Response) -> Response:
        if answer.status == 401 and self._first_refused is not None:
            answer.close()
            answer = self._first_refused  # every key failed: relay the first refusal
        # Deleted by one of our own attempts, or before them? That cannot be known (docs/design.md 4.7).
        self._exchange.unknown = (
            answer.status == 404 and self._maybe_done and self._outbound.effective == "DELETE"
        )
        return answer


def _verdict_on(outcome: Outcome, product: str) -> PermitOutcome:
    if shrinks_limit(outcome, product):
        return PermitOutcome.DROPPED
    return PermitOutcome.IGNORED if outcome.status in _SAYS_NOTHING else _SUCCESS
