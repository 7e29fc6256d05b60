"""Requests to stores that speak HTTP and JSON. Errors name the store and what happened, never what was said.

Redirects are not followed, because a token would follow them; the environment's proxies and netrc are not
read.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import aiohttp
import orjson
from yarl import URL

from gateway.background.own_fetches import retrying
from gateway.background.server_trust import make_server_trust
from gateway.config.schema.secret_values import SecretError

_LARGEST_BYTES: Final = 1 << 20


def is_temporary(status: int) -> bool:
    """Whether a store answers with this status only for a while (RFC 9110 15.6, RFC 6585 4)."""
    return status == 429 or status >= 500


@dataclass(frozen=True, slots=True)
class StoreReply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def value(self, *path: str) -> object:
        """What the JSON body has at `path`; None if it is not there, or the body is not JSON."""
        try:
            value = orjson.loads(self.body)
        except ValueError:
            return None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value


class StoreHttp:
    """A session with one store."""

    def __init__(self, store: str, session: aiohttp.ClientSession) -> None:
        self._store = store
        self._session = session
        self._reads = retrying(session)

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> StoreReply:
        """One exchange, a GET in up to three tries. Raises SecretError if there is no whole answer.

        The caller bounds the time of all tries together.
        """
        target = URL(url, encoded=True)
        request = self._reads.request if method == "GET" else self._session.request
        try:
            async with request(method, target, headers=headers, data=body, allow_redirects=False) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > _LARGEST_BYTES:
                        raise SecretError(f"{self._store}'s answer is too large", "is its address right?")
                return StoreReply(response.status, response.headers, bytes(content))
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # `from None`: an aiohttp error holds the request's headers.
            raise SecretError(
                f"{self._store} at {target.origin()} gave no answer ({type(error).__name__})",
                "correct the address, or see why it cannot be reached from here",
                temporary=not isinstance(error, ValueError),  # InvalidURL is one
            ) from None


@asynccontextmanager
async def open_http(store: str, ca_file: Path | None = None) -> AsyncIterator[StoreHttp]:
    """A session for one round. Raises SecretError if the certificates cannot be read."""
    trust = _system_trust() if ca_file is None else _context(ca_file)
    connector = aiohttp.TCPConnector(ssl=trust, resolver=aiohttp.ThreadedResolver())
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield StoreHttp(store, session)


@cache
def _system_trust() -> ssl.SSLContext:
    return make_server_trust(None)


def _context(ca_file: Path) -> ssl.SSLContext:
    try:
        return make_server_trust(ca_file)
    except OSError as error:  # SSLError is one
        reason = error.strerror or type(error).__name__
        raise SecretError(
            f"the certificates in {ca_file} cannot be read ({reason})", "mount them, or correct the path"
        ) from None
