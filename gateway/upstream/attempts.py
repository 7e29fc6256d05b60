"""The attempts of one exchange: a slot each, one key each, and what follows from their outcome.

What to do next is `policy/retries.decide_attempt`; what that means for slots, keys, waiting and the answer
that is handed back is here.
"""

import asyncio
import time
from collections.abc import AsyncIterable
from typing import Any

from aiohttp import ClientError
from aiohttp_retry import RetryClient
from yarl import URL

from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, Permit, PermitOutcome
from gateway.consumers.credentials import ApiKey
from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.exchange import Exchange, PhaseKind
from gateway.http.header_fields import find_field
from gateway.http.response import Response
from gateway.policy.outbound import Outbound
from gateway.retry.retry_policy import (
    NextStep,
    Outcome,
    Situation,
    decide_attempt,
    may_have_been_done,
    read_code,
    read_retry_after,
    shrinks_limit,
)
from gateway.upstream.attempt_deadline import Deadline
from gateway.upstream.attempt_options import (
    SILENT,
    AttemptOptions,
    CallerGoneError,
    CallerLink,
    Surroundings,
    TryAgain,
)
from gateway.upstream.failure_translation import translate_failure
from gateway.upstream.request_writer import NotSentError, Wire, build_wire
from gateway.upstream.response_reader import has_plain_framing, read_answer
from gateway.upstream.retry_delay import Pacing
from gateway.upstream.session import send_buffered
from gateway.upstream.upstream_response import AnyReply

MOST_BUFFERED_BYTES = 65_536
"""A body up to this size reaches the caller in one piece; until it is read, an attempt has not succeeded."""

_CODED = frozenset({401, 429})
_SAYS_NOTHING = frozenset({429, 502, 503, 504})  # about how many requests Twilio takes at once
_BROKEN = (ClientError, TimeoutError, OSError, ValueError)


class Attempts:
    """State of one exchange's attempts."""

    def __init__(
        self,
        around: Surroundings,
        outbound: Outbound,
        exchange: Exchange,
        gate: ConcurrencyLimiter,
        keys: tuple[ApiKey, ...],
        *,
        caller: CallerLink,
        stream: AsyncIterable[bytes] | None,
        deadline: float,
    ) -> None:
        self.outbound = outbound
        self.key = keys[0]
        self._pacing = Pacing(around, exchange, caller, deadline)
        self._wire: Wire | None = None
        self._around = around
        self._exchange = exchange
        self._gate = gate
        self._caller = caller
        self._keys_left = keys[1:]
        self._stream = stream
        self._deadline = deadline
        self._answer: Response | None = None
        self._first_refused: Response | None = None
        self._slot: Permit | None = None
        self._began = 0.0
        self._maybe_done = False

    @property
    def delay_seconds(self) -> float:
        """What to wait before the next attempt."""
        return self._pacing.delay_seconds

    async def run(self, origin: URL) -> Response:
        """The answer to hand back. Raises `UpstreamFailure`, or `Refusal` if no slot was to be had.

        The first attempt goes straight to the session; aiohttp-retry is entered once there is a second.
        """
        method = self.outbound.method
        try:
            done = await self._first(method, origin)
            if not done:
                await asyncio.sleep(self.delay_seconds)
                client = RetryClient(self, SILENT, AttemptOptions(self))  # type: ignore[arg-type]
                await client.request(method, origin)
        except Refusal:
            if self._answer is None:
                raise  # what Twilio said last is a better answer than that we are too busy to ask again
        assert self._answer is not None
        return self._answer

    async def _first(self, method: str, origin: URL) -> bool:
        try:
            return await self.evaluate(await self.request(method, origin))
        except TryAgain:
            return False

    async def request(self, method: str, url: URL, **_: Any) -> AnyReply:
        """One attempt, up to the answer's head. Raises `TryAgain`, `UpstreamFailure` or `Refusal`."""
        self._require_closed_breaker()
        self._slot = slot = await self._acquire()
        self._began = time.perf_counter()
        try:
            return await self._send(method, url)
        except _BROKEN as error:
            slot.release(PermitOutcome.IGNORED)
            raise self._failed(error, sent=self._sent) from error
        except BaseException:  # hung up on, or drained: no slot may leak
            self._around.breakers.abandoned(self.outbound.host)
            slot.release(PermitOutcome.IGNORED)
            self._note(time.perf_counter(), Outcome())
            raise

    async def evaluate(self, response: AnyReply) -> bool:
        """Take the answer in; True hands it back, False tries again after `delay_seconds`."""
        assert self._slot is not None
        try:
            answer = await self._read(response)
        except _BROKEN as error:
            self._slot.release(PermitOutcome.IGNORED)
            raise self._failed(error, sent=True) from error
        except BaseException:
            self._slot.release(PermitOutcome.IGNORED)
            self._note(time.perf_counter(), Outcome())
            raise
        ended = time.perf_counter()
        outcome = Outcome(answer.status, read_code(answer.body) if answer.status in _CODED else 0)
        self._slot.release(_release_of(outcome, self.outbound.product))
        if self._gate.waiting and answer.rest is None:
            await asyncio.sleep(0)  # who was granted the slot sends first, then we relay
        decision = decide_attempt(outcome, self._situation())
        if answer.rest is not None:
            decision = NextStep.HAND_BACK  # nobody writes an error of 64 KiB; there is no room to keep one
        done = self._follow(decision, answer, outcome)
        self._note(ended, outcome, "" if done else decision)
        return done

    def _follow(self, decision: NextStep, answer: Response, outcome: Outcome) -> bool:
        """Do as decided; True if that was the last attempt, by decision or because no other can be made."""
        if decision is NextStep.HAND_BACK:
            return self._hand_back(answer)
        if decision is NextStep.NEXT_KEY:
            return self._next_key(answer)
        self._answer = answer
        self._maybe_done |= may_have_been_done(outcome)
        hold = read_retry_after(find_field(answer.fields, b"retry-after").decode("latin-1"), time.time())
        if decision is NextStep.REQUEUE:
            self._exchange.in_doubt = False
            return not self._pacing.requeue(hold)
        return not self._pacing.plan_retry(hold)

    async def _acquire(self) -> Permit:
        """Wait for a slot; whoever waits may leave at any time."""
        self._caller.cancel_on_disconnect(True)
        outbound = self.outbound
        began = time.perf_counter()
        try:
            if self._caller.gone:  # while a POST was in flight, which another key would send again
                raise CallerGoneError("the caller left before this attempt")
            return await self._gate.acquire(
                outbound.consumer.name,
                outbound.consumer.priority,
                self._deadline,
                in_front=self._pacing.in_front,
            )
        except BaseException:
            self._around.breakers.abandoned(outbound.host)
            raise
        finally:
            self._exchange.record_queue(PhaseKind.QUEUE, began, time.perf_counter())

    @property
    def _sent(self) -> bool:
        return self._wire is not None and self._wire.sent

    def _situation(self) -> Situation:
        return Situation(
            replayable=self.outbound.replayable,
            resendable=self._stream is None,
            product=self.outbound.product,
            keys_left=len(self._keys_left),
            signals=self._exchange.signals,
            post_on_503=self._around.retry.post_on_503,
        )

    async def _send(self, method: str, url: URL) -> AnyReply:
        session = self._around.session
        self._exchange.attempts += 1
        self._exchange.key = self.key.label
        self._wire = wire = build_wire(self.outbound, self.key, self._stream)
        wire.on_send = self._begin_sending
        response: AnyReply
        if self._stream is not None:
            # An upload takes as long as it takes; the session's read time-out begins when it is sent.
            response = await session.request(method, url, data=wire, allow_redirects=False)
        else:
            with Deadline(self._deadline):
                response = await send_buffered(session, method, url, wire)
        self._around.breakers.succeeded(self.outbound.host)
        return response

    def _begin_sending(self) -> None:
        """Until now the caller could leave and nothing was sent; a POST in flight goes on without it."""
        self._exchange.in_doubt = not self.outbound.replayable
        self._caller.cancel_on_disconnect(self.outbound.replayable)

    async def _read(self, response: AnyReply) -> Response:
        if response.status == 101 or not has_plain_framing(response):
            response.close()
            raise ValueError("an answer that two readers could take for two things")
        return await read_answer(response, MOST_BUFFERED_BYTES, self._around.idle_seconds)

    def _require_closed_breaker(self) -> None:
        if not self._around.breakers.allows(self.outbound.host, time.monotonic()):
            raise UpstreamFailure(
                "upstream_unreachable",
                FailurePhase.CONNECT,
                "Twilio could not be reached lately; nothing was sent, so it is safe to try again.",
            )

    def _failed(self, error: Exception, *, sent: bool) -> Exception:
        """What to raise for a failure: itself, or `TryAgain`."""
        failure = translate_failure(error, sent=sent)
        if failure.phase is FailurePhase.CONNECT:
            breakers, host = self._around.breakers, self.outbound.host
            if isinstance(error, NotSentError) or asyncio.get_running_loop().time() >= self._deadline:
                breakers.abandoned(host)  # a stale connection, or a slot that came too late: the host is well
            else:
                breakers.failed(host, time.monotonic())
            self._exchange.in_doubt = False
        outcome = Outcome(failed_in=failure.phase)
        decision = decide_attempt(outcome, self._situation())
        again = decision is NextStep.RETRY and self._pacing.plan_retry(0.0)
        self._note(time.perf_counter(), outcome, decision if again else "")
        if again:
            self._maybe_done |= may_have_been_done(outcome)
            return TryAgain()
        return failure.with_outcome(replayable=self.outbound.replayable)

    def _next_key(self, answer: Response) -> bool:
        self._exchange.in_doubt = False
        self._first_refused = self._first_refused or answer
        self._exchange.failovers += 1
        self._around.on_failover(self.outbound, self.key)
        self.key, *rest = self._keys_left
        self._keys_left = tuple(rest)
        self._pacing.at_once()
        return False

    def _note(self, ended: float, outcome: Outcome, then: str = "") -> None:
        """Put the attempt on the exchange's timeline, and the wait before the next one, if `then` says so."""
        exchange = self._exchange
        exchange.record_attempt(
            self._began, ended, outcome.status, outcome.code, outcome.failed_in or "", then
        )
        if then:
            exchange.record_backoff(ended, self._pacing.delay_seconds)

    def _hand_back(self, answer: Response) -> bool:
        if answer.status == 401 and self._first_refused is not None:
            answer.close()
            answer = self._first_refused  # all keys failed: the first no is the telling one
        # Gone already: by one of our own attempts, or before them? Nobody can tell (design 4.7).
        self._exchange.unknown = (
            self.outbound.effective == "DELETE" and answer.status == 404 and self._maybe_done
        )
        self._answer = answer
        return True


def _release_of(outcome: Outcome, product: str) -> PermitOutcome:
    if shrinks_limit(outcome, product):
        return PermitOutcome.DROPPED
    return PermitOutcome.IGNORED if outcome.status in _SAYS_NOTHING else PermitOutcome.SUCCESS
