"""A small server that speaks Vault's protocol, as far as its documentation tells it.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2, …/auth/kubernetes, and
…/vault/api-docs#http-status-codes. It is no Vault: what it does not check, Vault may.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

STATIC_TOKEN = "hvs.static-token-of-the-test"
JWT = "eyJ.jwt-of-the-test.signature"
ROLE = "twilio-gateway"


@dataclass
class VaultPeer:
    """What the server knows, and what it was asked."""

    url: str = ""
    mount: str = "secret"
    namespace: str = ""
    secrets: dict[str, dict[str, object]] = field(default_factory=dict)
    """Path -> values by key; {} is a secret whose newest version was deleted."""
    versions: dict[str, int] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {STATIC_TOKEN})
    denied: set[str] = field(default_factory=set)
    """Paths that no policy allows."""
    jwt: str = JWT
    lease_seconds: int = 3600
    sealed: bool = False
    silent: bool = False
    """It takes requests and answers none."""
    raw: bytes | None = None
    """Said with 200 instead of a secret."""
    reads: list[str] = field(default_factory=list)
    logins: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Something came in."""

    def put(self, path: str, **values: object) -> None:
        """Write a new version."""
        self.secrets[path] = values
        self.versions[path] = self.versions.get(path, 0) + 1

    async def login(self, request: web.Request) -> web.Response:
        """POST /v1/auth/kubernetes/login."""
        given = await request.json()
        if given.get("role") != ROLE:
            return _errors(400, f'invalid role name "{given.get("role")}"')
        if given.get("jwt") != self.jwt:
            return _errors(403, "permission denied")
        self.logins += 1
        token = f"hvs.login-{self.logins}"
        self.tokens.add(token)
        auth = {"client_token": token, "lease_duration": self.lease_seconds, "renewable": True}
        return web.json_response({"auth": auth})

    async def read(self, request: web.Request) -> web.Response:
        """GET /v1/<mount>/data/<path>."""
        path = request.match_info["path"]
        self.reads.append(path)
        if request.headers.get("X-Vault-Token") not in self.tokens:
            return _errors(403, "permission denied", "invalid token")
        if path in self.denied or request.headers.get("X-Vault-Namespace", "") != self.namespace:
            return _errors(403, "1 error occurred: permission denied")
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        if request.match_info["mount"] != self.mount or path not in self.secrets:
            return _errors(404)
        values = self.secrets[path]
        metadata = {"version": self.versions.get(path, 1), "destroyed": False, "deletion_time": ""}
        if not values:
            metadata["deletion_time"] = "2026-01-01T00:00:00Z"
        document = {"data": values or None, "metadata": metadata}
        return web.json_response({"data": document, "lease_duration": 0}, status=200 if values else 404)

    @web.middleware
    async def judge(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """What comes before any path."""
        self.asked.set()
        if self.silent:
            await asyncio.Event().wait()
        if self.sealed:
            return _errors(503, "Vault is sealed")
        if request.headers.get("X-Vault-Request") != "true":
            return _errors(412, "missing the X-Vault-Request header")
        return await handler(request)


@asynccontextmanager
async def vault_peer(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[VaultPeer]:
    """A server on the running loop, gone at the end with all its connections."""
    peer = VaultPeer()
    application = web.Application(middlewares=[peer.judge])
    application.router.add_post("/v1/auth/kubernetes/login", peer.login)
    application.router.add_get("/v1/{mount}/data/{path:.+}", peer.read)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        peer.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
        yield peer
    finally:
        await runner.cleanup()


def _errors(status: int, *messages: str) -> web.Response:
    return web.json_response({"errors": list(messages)}, status=status)
