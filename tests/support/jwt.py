"""JWTs for tests: real keys, tokens signed with them, and an issuer that serves its keys."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER, AUDIENCE = "https://issuer.test", "twilio-gateway"
SUBJECT = "system:serviceaccount:shop:billing"
_GOOD_SECONDS = 6 * 3600  # some are made when tests are collected, and shown when their turn comes


_RSA_KEYS: dict[str, RSAKey] = {}


def rsa_key(kid: str = "rsa-1", which: str = "") -> RSAKey:
    """A private RSA key of 2048 bits, the same each time; `which` gives another one of this id."""
    if kid + which not in _RSA_KEYS:
        _RSA_KEYS[kid + which] = RSAKey.generate_key(2048, {"kid": kid})
    return _RSA_KEYS[kid + which]


_EC_KEYS: dict[str, ECKey] = {}


def ec_key(kid: str = "ec-1", curve: Literal["P-256", "P-384"] = "P-256") -> ECKey:
    """A private EC key, the same each time."""
    if kid not in _EC_KEYS:
        _EC_KEYS[kid] = ECKey.generate_key(curve, {"kid": kid})
    return _EC_KEYS[kid]


def jwks(*keys: RSAKey | ECKey) -> bytes:
    """Their public halves, as an issuer publishes them."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token, valid until all tests are over; None leaves a claim out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": int(time.time()) + _GOOD_SECONDS}
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(
    payload: Mapping[str, Any] | bytes,
    key: RSAKey | ECKey | None = None,
    alg: str = "RS256",
    **header: Any,
) -> str:
    """A token, by default of `rsa_key()`. The header's `kid` is the key's unless it is given."""
    signing = key or rsa_key()
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = {"alg": alg, "kid": signing.kid, **header}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    head = {name: value for name, value in head.items() if value is not None}
    return jws.serialize_compact(head, content, signing, registry=registry)


def unsigned(payload: Mapping[str, Any], header: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_with_a_public_key(payload: Mapping[str, Any], key: RSAKey, **header: Any) -> str:
    """The classic confusion: HS256 with what everybody knows, in the place of a secret."""
    unfinished = unsigned(payload, {"alg": "HS256", "kid": key.kid, **header}).removesuffix(".")
    secret = key.as_pem(private=False)
    signature = hmac.new(secret, unfinished.encode(), hashlib.sha256).digest()
    return f"{unfinished}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class KeyServer:
    """An issuer's endpoint: what it publishes, how it answers, and whether it was asked."""

    def __init__(self, *keys: RSAKey | ECKey) -> None:
        self.document = jwks(*keys)
        self.status = 200
        self.asked: list[str] = []
        """The Authorization of each request."""
        self._grown = asyncio.Condition()
        self.gate = asyncio.Event()
        """Answers come while it is open."""
        self.gate.set()
        self.url = ""

    async def was_asked(self, count: int = 1) -> None:
        """Wait until it was asked so often, in all."""
        async with asyncio.timeout(120), self._grown:
            await self._grown.wait_for(lambda: len(self.asked) >= count)

    async def answer(self, request: web.Request) -> web.Response:
        """The document as it was when the request came, or an error."""
        document = self.document
        self.asked.append(request.headers.get("Authorization", ""))
        async with self._grown:
            self._grown.notify_all()
        await self.gate.wait()
        return web.Response(body=document, status=self.status, content_type="application/jwk-set+json")


@asynccontextmanager
async def key_server(*keys: RSAKey | ECKey, tls: ssl.SSLContext | None = None) -> AsyncIterator[KeyServer]:
    """A running one."""
    server = KeyServer(*keys)
    app = web.Application()
    app.router.add_get("/openid/v1/jwks", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/openid/v1/jwks"
    try:
        yield server
    finally:
        await runner.cleanup()
