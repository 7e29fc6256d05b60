"""The other half of `gateway demo`: a service that Twilio's webhooks reach through the gateway.

The simulated Twilio calls back for each message; what arrives is verified, relayed, and answered with TwiML.
"""

import json
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from gateway.config.loading.environment import variable_of
from twilio_simulator import StatusCallbacks, WebhookSecret, WebhookSender

PUBLIC_URL: Final = "https://hooks.example.com"
_PORT: Final = 8443
_SECRET: Final = "DEMO_SERVICE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
_TOKEN: Final = "DEMO_TWILIO_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_TEXT: Final = """\
Twilio calls back, too: each message has status callbacks, which the gateway verifies and relays to a service
in here that has no Auth Token. Let a message arrive:

  TWILIO_AUTH_TOKEN={token} TWILIO_ACCOUNT_SID={account} {command} simulate inbound message \\
    {public}/sms/inbound --connect-to {url} --form Body=Hello
"""


class DemoWebhooks:
    """A service on a port of its own, and the settings that make the gateway relay to it."""

    def __init__(self, account_sid: str, auth_token: str, is_free: Callable[[str, int], bool]) -> None:
        self.received: list[str] = []
        """Statuses and texts that reached the service."""
        self._account_sid = account_sid
        self._auth_token = auth_token
        ports = (port for port in range(_PORT, _PORT + 20) if is_free("127.0.0.1", port))
        port = next(ports, 0)
        self._is_moved = port != _PORT
        self.url = f"http://127.0.0.1:{port}"
        self._runner: web.AppRunner | None = None

    async def start(self) -> dict[str, str]:
        """Begin to serve; the environment variables that add `webhooks:` to the gateway's configuration."""
        application = web.Application()
        application.router.add_post("/{name:.*}", self._handle)
        self._runner = runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service = f"http://127.0.0.1:{runner.addresses[0][1]}"
        route = {"account": "main", "sign_with": {"env": _SECRET}, "fallback": "<Response/>"}
        settings = {
            "listen": self.url.removeprefix("http://"),
            "public_url": PUBLIC_URL,
            "secrets": [{"account": "main", "auth_token": {"env": _TOKEN}}],
            "routes": [{"path": "/sms/**", "to": f"{service}/**", **route}],
        }
        return {
            variable_of("webhooks"): json.dumps(settings),
            _SECRET: secrets.token_hex(16),
            _TOKEN: self._auth_token,
        }

    def callbacks(self) -> StatusCallbacks:
        """For the simulator: every message has them."""
        sender = WebhookSender([WebhookSecret(self._auth_token)], connect_to=self.url)
        return StatusCallbacks(sender, url=f"{PUBLIC_URL}/sms/status")

    def text(self) -> str:
        """What is printed of it."""
        text = _TEXT.format(
            token=self._auth_token,
            account=self._account_sid,
            command=own_command(),
            public=PUBLIC_URL,
            url=self.url,
        )
        return f"{text}\nPort {_PORT} is taken: webhooks come to {self.url}.\n" if self._is_moved else text

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.received.append(str(form.get("MessageStatus") or form.get("Body", "")))
        said = escape(str(form.get("Body", "")))
        answer = f"<Response><Message>You wrote: {said}</Message></Response>" if said else "<Response/>"
        return web.Response(text=answer, content_type="text/xml")


def own_command() -> str:
    """How a shell calls this program: `make run` does not put it on the PATH."""
    program = Path(sys.executable).with_name("gateway")
    found = shutil.which("gateway")
    if found is not None and Path(found).resolve() == program.resolve():
        return "gateway"
    if not program.exists():
        return f"{sys.executable} -m gateway"
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
