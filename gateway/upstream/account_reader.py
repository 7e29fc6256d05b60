"""Reads of the gateway's own at an account: within its concurrency limit, by whichever of its keys may.

A read never counts against a key: a key that may not list messages is as good as before. What is read for
whom is not known here.
"""

import asyncio
import time
from typing import Final

from gateway.concurrency.concurrency_limiter import LimiterKey, Permit, PermitOutcome
from gateway.consumers.consumer import Priority
from gateway.consumers.credentials import Account, ApiKey
from gateway.errors import FailurePhase, UpstreamFailure
from gateway.http.response import Response
from gateway.retry.circuit_breaker import CircuitState
from gateway.retry.retry_policy import Outcome, read_code
from gateway.upstream.forwarder import Forwarder
from gateway.upstream.own_read import JSON, read_once

REFUSED_STATUSES: Final = frozenset({401, 403})
"""What a key is answered that may not read this (codes 20003, 20403, 70051)."""
_PRODUCT: Final = "api"
_OWN: Final = "(gateway)"
"""The queue's name for requests of no consumer; none can be called so."""
_MAX_BYTES: Final = 4 * 1024 * 1024
_AWAY: Final = "Twilio could not be reached lately; nothing was asked."


class AccountReader:
    """Reads by the pool, limiters, breakers and keys of a forwarder."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    def limit_of(self, account: Account, region: str) -> float:
        """How many requests the account takes at once, as learned."""
        return self._forwarder.limiters.get(LimiterKey(account.sid, region, _PRODUCT)).adaptive_limit.limit

    def is_away(self, host: str) -> bool:
        """Whether the host's circuit breaker is open."""
        return self._forwarder.breakers.states(time.monotonic()).get(host) is CircuitState.OPEN

    async def read(
        self,
        account: Account,
        region: str,
        host: str,
        target: str,
        *,
        deadline: float,
        consumer: str = _OWN,
        priority: Priority = Priority.LOW,
        accept: bytes = JSON,
    ) -> Response:
        """The answer to a GET, its body whole. `deadline` is by the loop's clock.

        A key that is refused is followed by the next; the last refusal is the answer. Raises
        `UpstreamFailure`, or `Refusal` where there was no permit or connection in time.
        """
        limiter = self._forwarder.limiters.get(LimiterKey(account.sid, region, _PRODUCT))
        answer: Response | None = None
        for key in self._forwarder.keyring.order(account):
            if answer is not None:
                answer.close()
            permit = await limiter.acquire(consumer, priority, deadline)
            answer = await self._read(permit, key, host, target, deadline, accept)
            if answer.status not in REFUSED_STATUSES:
                break
        assert answer is not None, "an account has a key"
        return answer

    async def _read(
        self, permit: Permit, key: ApiKey, host: str, target: str, deadline: float, accept: bytes
    ) -> Response:
        """One try, with one key. The permit comes back with the end of the body."""
        forwarder, outcome = self._forwarder, PermitOutcome.IGNORED
        breakers = forwarder.breakers
        try:
            if not breakers.allows(host, time.monotonic()):
                raise UpstreamFailure("upstream_unreachable", FailurePhase.CONNECT, _AWAY)
            try:
                answer = await read_once(
                    forwarder.pool,
                    forwarder.origin_of(host),
                    host,
                    target,
                    key,
                    deadline=deadline,
                    accept=accept,
                )
            except UpstreamFailure as failure:
                if failure.phase is FailurePhase.CONNECT and asyncio.get_running_loop().time() < deadline:
                    breakers.failed(host, time.monotonic(), failure.reason)
                else:
                    breakers.abandoned(host)
                raise
            except BaseException:
                breakers.abandoned(host)
                raise
            breakers.succeeded(host)
            await _read_rest(answer)
            outcome = _outcome_of(answer)
            return answer
        finally:
            permit.release(outcome)


def _outcome_of(answer: Response) -> PermitOutcome:
    """What an answer says about the account's limit."""
    if answer.status == 429:
        is_signal = Outcome(429, read_code(answer.body)).is_signal
        return PermitOutcome.DROPPED if is_signal else PermitOutcome.IGNORED
    return PermitOutcome.IGNORED if answer.status >= 500 else PermitOutcome.SUCCESS


async def _read_rest(answer: Response) -> None:
    """Read a body to its end. Raises `UpstreamFailure` for one that is too long."""
    rest = answer.rest
    if rest is None:
        return
    chunks, size = [answer.body], len(answer.body)
    while not rest.at_end:
        chunk = await rest.read()
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_BYTES:
            answer.close()
            raise UpstreamFailure(
                "answer_too_large", FailurePhase.RESPONSE, "The list is too long to be read."
            )
    answer.body, answer.rest = b"".join(chunks), None
