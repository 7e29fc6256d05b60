"""What tests of the webhook port share: a service that validates like any other, Twilio's side, a gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiDict
from twilio.request_validator import RequestValidator
from yarl import URL

from tests.support.running import ACCOUNT_SID, ENVIRON, Running, running_gateway

PUBLIC_URL = "https://hooks.example.com"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
SECOND_TOKEN = "fedcba9876543210fedcba9876543210"
SHARED_SECRET = "shared-key-secret-of-the-tests"
SHARED_KEY = "webhooks_sharedkey_01jtest"
SERVICE_SECRET = "secret-of-the-orders-service"
WEBHOOK_ENVIRON = {
    **ENVIRON,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_SECONDARY_AUTH_TOKEN": SECOND_TOKEN,
    "TWILIO_SHARED_SECRET": SHARED_SECRET,
    "ORDERS_WEBHOOK_SECRET": SERVICE_SECRET,
}
SECRETS: list[dict[str, Any]] = [{"account": "main", "auth_token": {"env": "TWILIO_AUTH_TOKEN"}}]
SHARED: dict[str, Any] = {
    "account": "main",
    "shared_key": SHARED_KEY,
    "secret": {"env": "TWILIO_SHARED_SECRET"},
    "algorithm": "HMAC_SHA256",
}
SIGN_WITH = {"env": "ORDERS_WEBHOOK_SECRET"}
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@dataclass
class Seen:
    """One request as a service saw it; `valid` is what the SDK's validator said."""

    method: str
    url: str
    headers: CIMultiDict[str]
    body: bytes
    valid: bool


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """A service of the company's, with the validator of the real SDK and our secret in it."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    answer: Answer | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        params: Any = MultiDict(await request.post())
        if request.content_type == "application/json":
            params = body.decode()
        valid = RequestValidator(SERVICE_SECRET).validate(
            f"http://{request.host}{request.raw_path}", params, request.headers.get("X-Twilio-Signature", "")
        )
        self.seen.append(Seen(request.method, request.raw_path, CIMultiDict(request.headers), body, valid))
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(text=TWIML, content_type="text/xml")


@asynccontextmanager
async def running_service(port: int = 0) -> AsyncIterator[Service]:
    """On this machine, by default on a free port."""
    service = Service("")
    application = web.Application(client_max_size=8 << 20)
    application.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


def settings(
    service: str, *routes: Mapping[str, Any], secrets: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """A `webhooks:` section. Without routes: `/sms/orders`, and `/voice/orders/**`."""
    common = {"account": "main", "sign_with": SIGN_WITH}
    found = [common | dict(route) for route in routes] or [
        common | {"path": "/sms/orders", "to": f"{service}/twilio/sms"},
        common | {"path": "/voice/orders/**", "to": f"{service}/twilio/**"},
    ]
    return {
        "listen": "127.0.0.1:0",
        "public_url": PUBLIC_URL,
        "secrets": SECRETS if secrets is None else secrets,
        "routes": found,
        **more,
    }


@dataclass
class Got:
    """What came back to Twilio."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


@dataclass
class TwilioSide:
    """Sends what Twilio would, to a webhook port; signs it by the real SDK."""

    url: str
    session: aiohttp.ClientSession
    public_url: str = PUBLIC_URL

    async def send(
        self,
        target: str,
        form: Any = None,
        *,
        method: str = "POST",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """As it is, unsigned. `form` is a mapping or a list of pairs."""
        fields = CIMultiDict(headers or {})
        if form is not None:
            body = urlencode(form).encode()
            fields.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
        async with self.session.request(
            method, URL(self.url + target, encoded=True), data=body, headers=fields, allow_redirects=False
        ) as answer:
            return Got(answer.status, CIMultiDict(answer.headers), await answer.read())

    async def post(
        self,
        target: str,
        form: Mapping[str, Any],
        *,
        token: str = AUTH_TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """A form, signed over the public URL."""
        signature = sign_form(self.public_url + target, form, token)
        return await self.send(
            target, dict(form), headers={"X-Twilio-Signature": signature, **(headers or {})}
        )


def sign_form(
    url: str, form: Mapping[str, Any], token: str = AUTH_TOKEN, algorithm: str = "HMAC_SHA1"
) -> str:
    """By the SDK."""
    signature: str = RequestValidator(token).compute_signature(url, form, algorithm)
    return signature


@dataclass
class WebhookScene:
    """A service, a gateway in front of it, and Twilio before both."""

    service: Service
    gateway: Running
    twilio: TwilioSide

    def events(self) -> list[dict[str, Any]]:
        """The log's lines of events."""
        return [line for line in self.gateway.log() if line["event"] == "webhook"]

    def hints(self) -> list[dict[str, Any]]:
        """The log's hints."""
        return [line for line in self.gateway.log() if line["event"] == "webhook not verified"]

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` events have ended."""
        await self.gateway.capture.until(
            lambda lines: sum(line["event"] == "webhook" for line in lines) >= count
        )
        return self.events()


@asynccontextmanager
async def webhook_scene(
    *routes: Mapping[str, Any],
    environ: Mapping[str, str] = WEBHOOK_ENVIRON,
    credentials: Mapping[str, Any] | None = None,
    tracing: bool = False,
    **more: Any,
) -> AsyncIterator[WebhookScene]:
    """Everything in this process. In a route's `to`, `{service}` is the service's URL."""
    other: dict[str, Any] = {} if credentials is None else {"credentials": credentials}
    if tracing:
        other["tracing"] = {"enabled": True}
    async with running_service() as service:
        filled = [
            {
                name: value.replace("{service}", service.url) if isinstance(value, str) else value
                for name, value in route.items()
            }
            for route in routes
        ]
        section = settings(service.url, *filled, **more)
        async with (
            running_gateway("http://127.0.0.1:9", environ, webhooks=section, **other) as gateway,
            aiohttp.ClientSession(skip_auto_headers=("Content-Type",)) as session,
        ):
            port = gateway.gateway.webhooks
            assert port is not None
            yield WebhookScene(service, gateway, TwilioSide(port.url, session, section["public_url"]))


def message(**more: str) -> dict[str, str]:
    """The form of an incoming message."""
    return {
        "MessageSid": "SM" + "0a" * 16,
        "AccountSid": ACCOUNT_SID,
        "From": "+14158675309",
        "To": "+18005551212",
        "Body": "Grüße & more + 1=2",
        "NumMedia": "0",
        "FromCity": "",
        **more,
    }
