"""Sending what was granted and bringing back an answer, or the failure that the caller has to be told of."""

import asyncio
import random
import time
from collections.abc import AsyncIterable, Iterable

from yarl import URL

from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters
from gateway.consumers.credentials import Credential
from gateway.exchange import Exchange
from gateway.http.buffered_bytes import BufferedBytes
from gateway.http.response import Response
from gateway.policy.outbound import Outbound
from gateway.retry.circuit_breaker import Breakers
from gateway.retry.retry_budget import RetryBudget
from gateway.upstream.attempts import Attempts
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.key_health import KeyHealth
from gateway.upstream.key_probe import KeyHook, KeyProbe
from gateway.upstream.shared_state import CallerLink, RetryOptions, SharedState
from gateway.upstream.stream_counts import StreamCounts


class Forwarder:
    """One per process, opened on the data loop. Holds what attempts of all exchanges share."""

    def __init__(
        self,
        limiters: ConcurrencyLimiters,
        options: TransportOptions,
        retry: RetryOptions,
        max_streams: int,
        buffers: BufferedBytes,
        on_key: KeyHook,
    ) -> None:
        self.streams = StreamCounts(max_streams, buffers)
        self.limiters = limiters
        self.breakers = Breakers()
        self.budget = RetryBudget(retry.budget_share, retry.budget_floor)
        self.keyring = KeyHealth()
        self.pool = ConnectionPool(options)
        self._retired: set[asyncio.Task[None]] = set()
        self._options = options
        self._origins: dict[str, str] = {}
        self._probe = KeyProbe(self.pool, self.keyring, self.origin_of, on_key)
        self._shared = SharedState(
            pool=self.pool,
            budget=self.budget,
            breakers=self.breakers,
            retry=retry,
            idle_seconds=options.idle_seconds,
            deadline_seconds=options.deadline_seconds,
            chance=random.uniform,
            on_failover=self._probe.refused,
        )

    async def send(
        self,
        outbound: Outbound,
        exchange: Exchange,
        caller: CallerLink,
        deadline: float,
        stream: AsyncIterable[bytes] | None = None,
        *,
        whole: bool = False,
        links: bool = False,
    ) -> Response:
        """The answer to `outbound`. Raises `UpstreamFailure`, or `Refusal` if there was no permit in time.

        `deadline` is the loop's clock; a cancelled attempt closes its connection. `whole`: the answer must be
        read before it is passed on, so that a slow one is not streamed. `links`: only if it is JSON.
        """
        consumer = outbound.consumer.name
        if outbound.replayable:
            self.streams.require_room(consumer)
        self.budget.note_request(time.monotonic())
        region = outbound.consumer.credential.region
        attempts = Attempts(
            self._shared,
            outbound,
            exchange,
            self.limiters.get((outbound.account.sid, region, outbound.product)),
            self.keyring.order(outbound.account),
            self.origin_of(outbound.host),
            caller=caller,
            upload=stream,
            deadline=deadline,
            whole=whole,
            links=links,
        )
        try:
            answer = await attempts.run()
        except asyncio.CancelledError:  # drained, or hung up on: what was sent may have been done
            exchange.unknown = exchange.in_doubt
            raise
        if answer.rest is not None:
            self.streams.begin(consumer, answer, bounded=outbound.replayable)
        if len(outbound.account.keys) > 1 and answer.status < 300:
            self.keyring.note_success(attempts.key, outbound.effective, outbound.host, outbound.target)
        return answer

    def apply(self, options: TransportOptions, retry: RetryOptions, max_streams: int) -> None:
        """Apply other options. Exchanges that use the old pool end there."""
        self.streams.max_streams = max_streams
        shared = self._shared
        shared.retry, shared.idle_seconds = retry, options.idle_seconds
        shared.deadline_seconds = options.deadline_seconds
        self.budget.share, self.budget.floor = retry.budget_share, retry.budget_floor
        if options != self._options:
            self._options = options
            self._origins = {}
            self.pool.retire()
            ending = asyncio.create_task(self.pool.close_when_empty())
            self._retired.add(ending)
            ending.add_done_callback(self._retired.discard)
            self.pool = shared.pool = ConnectionPool(options)
            self._probe.apply(self.pool)

    def keep_keys(self, credentials: Iterable[Credential]) -> None:
        """Forget the health of keys that none of the `credentials` has."""
        self.keyring.keep_only(
            key for each in credentials for account in each.accounts for key in account.keys
        )

    async def close(self) -> None:
        """End key probes and close every connection."""
        await self._probe.close()
        await self.pool.close()
        for ending in tuple(self._retired):
            ending.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def origin_of(self, host: str) -> str:
        """Where a host is reached: 'https://host', or what `connect_to` says."""
        origin = self._origins.get(host)
        if origin is None:
            origin = str(self._options.connect_to or URL.build(scheme="https", host=host))
            self._origins[host] = origin
        return origin
