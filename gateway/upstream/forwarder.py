"""Sending what was granted and bringing back an answer, or the failure that the caller has to be told of."""

import asyncio
import random
import time
from collections.abc import AsyncIterable, Iterable

from aiohttp import ClientSession
from yarl import URL

from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters, LimiterKey
from gateway.consumers.credentials import Credential
from gateway.exchange import Exchange
from gateway.http.response import Response
from gateway.policy.outbound import Outbound
from gateway.retry.circuit_breaker import Breakers
from gateway.retry.retry_budget import RetryBudget
from gateway.upstream.attempt_options import CallerLink, RetryOptions, Surroundings
from gateway.upstream.attempts import Attempts
from gateway.upstream.key_health import KeyHealth
from gateway.upstream.key_tester import KeyHook, KeyTester
from gateway.upstream.retired_sessions import RetiredSessions
from gateway.upstream.session import TransportOptions, open_session


class Forwarder:
    """One per process. Holds the pooled session, the gates, and what attempts of all exchanges share."""

    def __init__(
        self,
        session: ClientSession,
        gates: ConcurrencyLimiters,
        options: TransportOptions,
        retry: RetryOptions,
        on_key: KeyHook,
    ) -> None:
        self.limiters = gates
        self.breakers = Breakers()
        self.budget = RetryBudget(retry.budget_share, retry.budget_floor)
        self._retired = RetiredSessions()
        self.keyring = KeyHealth()
        self._options = options
        self._origins: dict[str, URL] = {}
        self._tester = KeyTester(session, self.keyring, self._origin, options.deadline_seconds, on_key)
        self._around = Surroundings(
            session=session,
            budget=self.budget,
            breakers=self.breakers,
            retry=retry,
            idle_seconds=options.idle_seconds,
            chance=random.uniform,
            on_failover=self._tester.refused,
        )

    async def send(
        self,
        outbound: Outbound,
        exchange: Exchange,
        caller: CallerLink,
        deadline: float,
        stream: AsyncIterable[bytes] | None = None,
    ) -> Response:
        """The answer to `outbound`. Raises `UpstreamFailure`, or `Refusal` if no slot was to be had.

        `deadline` is the loop's clock; a cancelled attempt closes its connection.
        """
        self.budget.note_request(time.monotonic())
        region = outbound.consumer.credential.region
        attempts = Attempts(
            self._around,
            outbound,
            exchange,
            self.limiters.get(LimiterKey(outbound.account.sid, region, outbound.product)),
            self.keyring.order(outbound.account),
            caller=caller,
            stream=stream,
            deadline=deadline,
        )
        try:
            answer = await attempts.run(self._origin(outbound.host))
        except asyncio.CancelledError:  # drained, or hung up on: what was sent may have been done
            exchange.unknown = exchange.in_doubt
            raise
        if len(outbound.account.keys) > 1 and answer.status < 300:
            self.keyring.note_success(attempts.key, outbound.effective, outbound.host, outbound.target)
        return answer

    def apply(self, options: TransportOptions, retry: RetryOptions) -> None:
        """Work by other options from now on. What is on its way through the old session ends there."""
        around = self._around
        around.retry, around.idle_seconds = retry, options.idle_seconds
        self.budget.share, self.budget.floor = retry.budget_share, retry.budget_floor
        if options != self._options:
            self._options = options
            self._origins = {}
            self._retired.add(around.session)
            around.session = open_session(options)
            self._tester.apply(around.session, options.deadline_seconds)

    def keep_keys(self, credentials: Iterable[Credential]) -> None:
        """Forget the health of keys that none of the `credentials` has."""
        self.keyring.keep_only(
            key for each in credentials for account in each.accounts for key in account.keys
        )

    async def close(self) -> None:
        """End key tests and close the pool."""
        await self._tester.close()
        await self._retired.close()
        await self._around.session.close()

    def _origin(self, host: str) -> URL:
        origin = self._origins.get(host)
        if origin is None:
            origin = self._options.connect_to or URL.build(scheme="https", host=host)
            self._origins[host] = origin
        return origin
