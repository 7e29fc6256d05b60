"""The ports of one replica: data, webhooks, admin. They are opened together or not at all."""

import asyncio

from gateway.admin.admin_server import AdminServer
from gateway.app.listen_error import ListenError, bracketed
from gateway.app.options import ListenerOptions
from gateway.app.webhook_port import WebhookPort
from gateway.config.schema.addresses import ListenAddress
from gateway.listener.listener import Listener


class Ports:
    """`data` is None where only webhooks are served. `url` and `admin_url` are for people, '' until the port
    is open."""

    def __init__(self, data: Listener | None, webhooks: WebhookPort | None, *, tls: bool) -> None:
        self.url = ""
        self.admin_url = ""
        self._data = data
        self._webhooks = webhooks
        self._scheme = "https" if tls else "http"

    async def open_traffic(self, options: ListenerOptions) -> None:
        """Open the data and the webhook port. Raises `ListenError`; then neither is open."""
        if self._data is not None:
            try:
                await self._data.open(*options.address, shared=options.reuse_port)
            except OSError as error:
                raise ListenError("listen", options.address, error) from error
            self.url = f"{self._scheme}://{bracketed(options.address.host)}:{self._data.port}"
        if self._webhooks is not None:
            try:
                await self._webhooks.open(shared=options.reuse_port)
            except ListenError:
                self._close_traffic()
                raise

    def open_admin(self, admin: AdminServer, address: ListenAddress) -> None:
        """Start the admin server. Raises `ListenError`; then the other ports are closed as well."""
        try:
            admin.start()
        except OSError as error:
            self._close_traffic()
            raise ListenError("admin.listen", address, error) from error
        self.admin_url = f"http://{bracketed(address.host)}:{admin.port}"

    async def drain(self, seconds: float) -> None:
        """Stop accepting callers and events without failing any; those under way have `seconds` to end."""
        ports = [port.drain(seconds) for port in (self._data, self._webhooks) if port is not None]
        await asyncio.gather(*ports)

    def _close_traffic(self) -> None:
        for port in (self._data, None if self._webhooks is None else self._webhooks.listener):
            if port is not None:
                port.close()
