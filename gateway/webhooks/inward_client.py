"""Calls the services behind the routes: one connection pool a target, connect failures retried in time.

By aiohttp's ClientSession and aiohttp-retry. Only what certainly did not reach the service is sent again;
what follows from a failure is the handler's business.
"""

import asyncio
import io
import logging
import random
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp_retry import RetryClient, RetryOptionsBase
from yarl import URL

from gateway.webhooks.answer_adaptation import MAX_ANSWER_BYTES, ServiceAnswer
from gateway.webhooks.webhook_record import WebhookEvent
from gateway.webhooks.webhook_routes import WebhookRoute

_CONNECT_SECONDS: Final = 2.0
"""For one try to connect, so that another can follow."""
_KEEP_ALIVE_SECONDS: Final = 1.5
"""Shorter than what servers keep (gunicorn 2 s, Node and uvicorn 5 s): a request must not meet a close."""
_DNS_SECONDS: Final = 10
_MIN_PAUSE_SECONDS: Final = 0.05
_MAX_PAUSE_SECONDS: Final = 1.0
_LARGE_BYTES: Final = 1 << 20
_ENDLESS: Final = 1_000_000
_AUTO_FIELDS: Final = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})

# aiohttp-retry writes repr() of exceptions at debug level, and these can hold header fields.
_SILENT: Final = logging.getLogger("gateway.webhooks.inward_client")
_SILENT.disabled = True


class Trust(NamedTuple):
    """The CAs that services with `https` are trusted by; `digest` is of the file that they come from."""

    context: ssl.SSLContext | None = None
    digest: bytes = b""


class ServiceFailure(Exception):
    """The service did not answer: `reason` is `connect`, `tls`, `timeout`, `broken` or `too_large`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _NotConnected(Exception):
    """No byte was sent."""


class _UntilDeadline(RetryOptionsBase):
    """Only connect failures, as often as the deadline permits; each goes on the event's timeline."""

    def __init__(self, event: WebhookEvent) -> None:
        super().__init__(_ENDLESS, exceptions=(_NotConnected,), retry_all_server_errors=False)
        self._event = event
        self._began = time.perf_counter()

    def get_timeout(self, attempt: int, response: ClientResponse | None = None) -> float:
        """The pause before the next try (seconds)."""
        now = time.perf_counter()
        longest = min(_MAX_PAUSE_SECONDS, _MIN_PAUSE_SECONDS * 2 ** min(attempt, 10))
        pause = random.uniform(longest / 2, longest)  # noqa: S311 - spread, no secret
        self._event.step("connect", self._began, now, "failed")
        self._event.step("pause", now, now + pause)
        self._event.attempts += 1
        self._began = now + pause
        return pause


class _Gate:
    """In the place of a session for aiohttp-retry: tells failures to connect from all others."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def request(self, method: str, url: URL, *, data: bytes | None, **options: Any) -> ClientResponse:
        content: Any = io.BytesIO(data) if data is not None and len(data) > _LARGE_BYTES else data
        try:
            return await self._session.request(method, url, data=content, **options)
        except ClientSSLError as error:
            raise ServiceFailure("tls") from error
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise _NotConnected from error


class _Pool:
    """The connections to one origin."""

    def __init__(self, trust: Trust) -> None:
        connector = TCPConnector(
            limit=0,  # routes bound how many events are under way
            ttl_dns_cache=_DNS_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            resolver=ThreadedResolver(),
            ssl=True if trust.context is None else trust.context,
        )
        self.session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTO_FIELDS,
        )
        gate: Any = _Gate(self.session)
        self.client = RetryClient(gate, _SILENT)
        self.in_flight = 0
        self.retired = False

    async def close_if_idle(self) -> None:
        """Close the connections of a retired pool once nothing is under way."""
        if self.retired and not self.in_flight:
            await self.session.close()


class InwardClient:
    """One per process, on its loop. `apply` first."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._trust = Trust()

    async def apply(self, routes: Iterable[WebhookRoute], trust: Trust) -> None:
        """Apply routes, and the CAs that their services are trusted by.

        Pools of origins that are gone close behind their last answer, and all do where `trust` is another.
        """
        origins = {route.origin for route in routes} if trust.digest == self._trust.digest else set()
        self._trust = trust
        for origin in self._pools.keys() - origins:
            pool = self._pools.pop(origin)
            pool.retired = True
            await pool.close_if_idle()

    async def call(
        self,
        route: WebhookRoute,
        method: str,
        url: str,
        fields: Mapping[str, str],
        body: bytes | None,
        deadline: float,
        event: WebhookEvent,
    ) -> ServiceAnswer:
        """The service's answer, waited for until `deadline` (the loop's clock). Raises `ServiceFailure`."""
        pool = self._pools.get(route.origin)
        if pool is None:
            pool = self._pools[route.origin] = _Pool(self._trust)
        pool.in_flight += 1
        options = _UntilDeadline(event)
        event.attempts += 1
        connected = False
        try:
            async with (
                asyncio.timeout_at(deadline),
                pool.client.request(
                    method,
                    URL(url, encoded=True),
                    options,
                    headers=fields,
                    data=body,
                    allow_redirects=False,
                ) as answer,
            ):
                connected = True
                if answer.status < 200:  # an upgrade that was not asked for
                    raise ServiceFailure("broken")
                content = await _read_body(answer)
                return ServiceAnswer(answer.status, answer.raw_headers, content)
        except TimeoutError:
            raise ServiceFailure("connect" if _only_connected(event, connected) else "timeout") from None
        except _NotConnected:
            raise ServiceFailure("connect") from None
        except (ClientError, OSError, ValueError):  # their texts may hold what was sent
            raise ServiceFailure("broken") from None
        finally:
            pool.in_flight -= 1
            await pool.close_if_idle()

    async def close(self) -> None:
        """Break off what is left."""
        for pool in self._pools.values():
            await pool.session.close()
        self._pools.clear()


def _only_connected(event: WebhookEvent, connected: bool) -> bool:
    """Whether the time passed without a connection: it ended in a pause, or after failures to connect."""
    return not connected and event.attempts > 1


async def _read_body(answer: ClientResponse) -> bytes:
    """All of it. Raises `ServiceFailure` if it is too long."""
    length = answer.content_length
    if length is not None and length > MAX_ANSWER_BYTES:
        raise ServiceFailure("too_large")
    parts = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ServiceFailure("too_large")
        parts.append(chunk)
    return b"".join(parts)
