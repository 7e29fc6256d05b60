"""The webhook port of a process: its listener, its handler, and its client for the services behind it."""

from collections.abc import Callable

from gateway.app.components import make_limiter
from gateway.app.listen_error import ListenError, bracketed
from gateway.app.webhook_options import WebhookOptions
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.listener import Listener
from gateway.listener.tls_context import ListenerTls
from gateway.observe.metrics.webhook_families import WebhookState
from gateway.observe.observers import Observers
from gateway.rate_limits.rate_limiter import OnStoreFailure
from gateway.redis.redis_store import RedisStore
from gateway.webhooks.inward_client import InwardClient
from gateway.webhooks.shared_answers import SharedAnswers
from gateway.webhooks.webhook_delivery import WebhookDelivery
from gateway.webhooks.webhook_handler import WebhookHandler

SETTING = "webhooks.listen"


class WebhookPort:
    """`open`, `apply` for each reload, `drain` and `close`, all on the loop."""

    def __init__(
        self,
        options: WebhookOptions,
        observers: Observers,
        buffers: BufferedBytes,
        on_status: Callable[[str, str], object],
        store: RedisStore | None,
    ) -> None:
        """`on_status` is called with the account and the SID of each verified status callback."""
        self._address = options.address
        self._client = InwardClient()
        self._shared = None if store is None else SharedAnswers(store, store.server_clock.now)
        self.handler = WebhookHandler(
            options.rules,
            WebhookDelivery(self._client, shared=self._shared),
            make_limiter(store, OnStoreFailure.LOCAL),  # an unavailable store refuses no event
            observers,
            on_status,
            body_seconds=options.body_seconds,
        )
        tls = options.tls
        self.tls = None if tls is None else ListenerTls(tls.context, tls.expires, observers.handshake_failed)
        self.listener = Listener(
            "webhooks",
            self.handler.handle,
            self.handler.refuse_unparsed,
            options.limits,
            options.heads,
            self.tls,
            buffers=buffers,
        )

    def state(self) -> WebhookState:
        """What metrics and the page read."""
        return WebhookState(self.handler, self.listener.tracker, self.tls)

    async def open(self, *, shared: bool) -> None:
        """Listen. Raises `ListenError`."""
        try:
            await self.listener.open(*self._address, shared=shared)
        except OSError as error:
            raise ListenError(SETTING, self._address, error) from error

    @property
    def url(self) -> str:
        """Where it listens, for people."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{bracketed(self._address.host)}:{self.listener.port}"

    async def apply(self, options: WebhookOptions) -> None:
        """Apply a configuration, for the next event and connection. Events under way end as they began."""
        self.handler.rules = options.rules
        self.handler.body_seconds = options.body_seconds
        self.listener.apply(options.limits, options.heads)
        if self.tls is not None and options.tls is not None:
            self.tls.replace(options.tls.context, options.tls.expires)
        await self._client.apply(options.rules.routes, options.trust)

    async def drain(self, seconds: float) -> None:
        """Stop accepting events without failing any; those under way have `seconds` to end."""
        self.handler.draining = True
        await self.listener.drain(seconds)

    async def close(self) -> None:
        """Close what is left."""
        await self._client.close()
        if self._shared is not None:
            await self._shared.close()
