"""A small server that speaks the protocol of Google's token service and Secret Manager.

https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access and
https://developers.google.com/identity/protocols/oauth2/service-account#httprest. It checks the assertion's
signature, audience, issuer and time. It is no Google: what it does not check, Google may.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PROJECT = "payments-1"
AUDIENCE = "https://oauth2.googleapis.com/token"
EMAIL = f"gateway@{PROJECT}.iam.gserviceaccount.com"


@dataclass
class GcpPeer:
    """What the server knows, and what it was asked."""

    url: str = ""
    versions: dict[str, list[bytes]] = field(default_factory=dict)
    """`projects/P/secrets/S` -> payloads, the first is version 1."""
    disabled: set[str] = field(default_factory=set)
    allowed: bool = True
    known: bool = True
    """Whether the token service knows the service account."""
    silent: bool = False
    down: int = 0
    """Answered to everything, if not 0."""
    raw: bytes | None = None
    """Said with 200 instead of a secret."""
    raw_token: bytes | None = None
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    _key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    )

    def put(self, name: str, payload: bytes, project: str = PROJECT) -> None:
        """Add a version."""
        self.versions.setdefault(f"projects/{project}/secrets/{name}", []).append(payload)

    def write_key_file(self, folder: Path) -> str:
        """A service account's key file; its name."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        document = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "client_id": "1",
            "private_key": pem.decode(), "client_email": EMAIL, "token_uri": f"{self.url}/token",
        }  # fmt: skip
        (folder / "service-account.json").write_text(json.dumps(document))
        return "service-account.json"

    async def grant(self, request: web.Request) -> web.StreamResponse:
        """POST /token with a signed assertion."""
        form = await request.post()
        if self.raw_token is not None:
            return web.Response(body=self.raw_token, content_type="application/json")
        if not self.known or not self._is_signed(str(form["assertion"])):
            error = {"error": "invalid_grant", "error_description": f"Invalid JWT: {form['assertion']!s}"}
            return web.json_response(error, status=400)
        return self._token()

    async def identify(self, request: web.Request) -> web.StreamResponse:
        """The metadata server of a machine or pod at Google."""
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403)
        path = request.match_info.get("path", "")
        response: web.Response
        if path.endswith("/token"):
            response = self._token()
        elif path.startswith("instance/service-accounts/default"):
            response = web.json_response({"email": EMAIL, "scopes": [], "aliases": ["default"]})
        else:
            response = web.Response(text=PROJECT if path == "project/project-id" else "")
        response.headers["Metadata-Flavor"] = "Google"
        return response

    def _token(self) -> web.Response:
        self.logins += 1
        token = f"ya29.login-{self.logins}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _is_signed(self, assertion: str) -> bool:
        signed, _, signature = assertion.rpartition(".")
        claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        try:
            self._key.public_key().verify(
                _decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        meant = claims["iss"] == EMAIL and claims["aud"] == AUDIENCE and "cloud-platform" in claims["scope"]
        return meant and claims["iat"] <= time.time() < claims["exp"]

    async def access(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/projects/P/secrets/S/versions/V:access."""
        if self.silent:
            await asyncio.Event().wait()
        if self.down:
            return _error(self.down)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401)
        if not self.allowed:
            return _error(403)
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        name, version = request.match_info["name"], request.match_info["version"]
        payloads = self.versions.get(name, [])
        number = len(payloads) if version == "latest" else int(version)
        if not 1 <= number <= len(payloads):
            return _error(404)
        resource = f"{name}/versions/{number}"
        if resource in self.disabled:
            return _error(400)
        data = base64.b64encode(payloads[number - 1]).decode()
        return web.json_response({"name": resource, "payload": {"data": data, "dataCrc32c": "1"}})


@asynccontextmanager
async def gcp_peer() -> AsyncIterator[GcpPeer]:
    """A server on the running loop, gone at the end with all its connections."""
    peer = GcpPeer()
    application = web.Application()
    application.router.add_post("/token", peer.grant)
    application.router.add_get("/computeMetadata/v1/{path:.*}", peer.identify)
    application.router.add_get("/", peer.identify, name="ping")
    application.router.add_get(
        r"/v1/{name:projects/[^/]+/secrets/[^/]+}/versions/{version:[^/]+}:access", peer.access
    )
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield peer
    finally:
        await runner.cleanup()


def _error(status: int) -> web.Response:
    return web.json_response({"error": {"code": status, "message": "refused"}}, status=status)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
