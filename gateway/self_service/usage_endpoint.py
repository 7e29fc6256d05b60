"""`/-/usage` on the data port: a consumer reads its own limits, use, errors and keys, and nothing of others.

Answered on the data loop; the figures are made where they are kept, on the admin thread. An answer holds for
a second, so that a consumer that asks in a loop costs nothing. Of a consumer that several services share,
nothing says which of them sent what.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.exchange import OWN_PRODUCT, Exchange
from gateway.listener.request import Request
from gateway.listener.response_relay import render_own
from gateway.rate_limits.rate_limiter import RateLimiter

_METHODS: Final = ("GET", "HEAD")
_FRESH_SECONDS: Final = 1.0
_MAX_KEPT: Final = 1000
_LABEL: Final = "/-/usage"

Report = Callable[[Consumer, dict[str, float]], Awaitable[dict[str, Any]]]
"""Makes a consumer's figures; its limits' use is handed in, by their names."""


class UsageEndpoint:
    """One per process. `report` is awaited on the data loop; `clock` is monotonic, in seconds."""

    def __init__(
        self, limiter: RateLimiter, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limiter = limiter
        self._report = report
        self._clock = clock
        self._kept: dict[str, tuple[Consumer, float, bytes]] = {}

    async def answer(self, method: str, consumer: Consumer, request: Request, exchange: Exchange) -> None:
        """Answer an authenticated consumer. Raises `Refusal` (method_not_allowed)."""
        exchange.consumer, exchange.method = consumer.name, method
        exchange.product, exchange.label = OWN_PRODUCT, _LABEL
        if method not in _METHODS:
            allowed = (("Allow", ", ".join(_METHODS)),)
            raise Refusal("method_not_allowed", "This address is read by GET or HEAD.", headers=allowed)
        body = await self._body(consumer)
        exchange.status = 200
        content = b"" if method == "HEAD" else body
        exchange.bytes_out = len(content)
        request.cancel_on_disconnect(False)
        request.answer(200, "OK", render_own(body, exchange), content, closes=False)

    async def _body(self, consumer: Consumer) -> bytes:
        kept = self._kept.get(consumer.name)
        if kept is not None and kept[0] is consumer and self._clock() - kept[1] < _FRESH_SECONDS:
            return kept[2]
        uses = await self._limiter.read_uses(consumer.limits)
        body = orjson.dumps(await self._report(consumer, uses), option=orjson.OPT_APPEND_NEWLINE)
        if len(self._kept) >= _MAX_KEPT:  # of consumers that reloads have removed
            self._kept.clear()
        self._kept[consumer.name] = consumer, self._clock(), body
        return body
