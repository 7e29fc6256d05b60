"""One fetch of an issuer's keys over HTTPS. Knows nothing of schedules, nor of how the keys are used."""

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)

from gateway.background.daemon_thread import run_in_thread
from gateway.background.own_fetches import retrying
from gateway.background.server_trust import make_server_trust
from gateway.identity.jwks import JwkSet, parse_jwks

_FETCH_SECONDS = 5.0
_MAX_BYTES = 1 << 20


class FetchError(Exception):
    """There are no new keys. The text gives the reason, and contains nothing that was sent or received."""


class KeyAddress(NamedTuple):
    """Where keys are fetched. `token_file` and `ca_file` are read each time, because they may be replaced."""

    url: str
    ca_file: Path | None
    token_file: Path | None


async def fetch_jwks(address: KeyAddress) -> JwkSet:
    """Fetch, in up to three tries that share one bound in time. Raises `FetchError`."""
    try:
        trust, headers = await run_in_thread(lambda: _read_files(address))
        connector = TCPConnector(ssl=trust, force_close=True, resolver=ThreadedResolver())
        async with (
            ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None),
                trust_env=False,
            ) as session,
            asyncio.timeout(_FETCH_SECONDS),
            retrying(session).get(address.url, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise FetchError(f"answered {answer.status}")
            document = await answer.content.read(_MAX_BYTES + 1)
            while not answer.content.at_eof() and len(document) <= _MAX_BYTES:
                document += await answer.content.read(_MAX_BYTES + 1)
        if len(document) > _MAX_BYTES:
            raise FetchError(f"the answer is longer than {_MAX_BYTES} bytes")
        return parse_jwks(document)
    except TimeoutError:
        raise FetchError(f"no answer within {_FETCH_SECONDS:g} s") from None
    except (ClientError, OSError) as error:  # their texts may contain headers
        raise FetchError(type(error).__name__) from None
    except ValueError as error:
        raise FetchError(str(error)) from None


def _read_files(address: KeyAddress) -> tuple[ssl.SSLContext, dict[str, str]]:
    trust = make_server_trust(address.ca_file)
    headers = {"Accept": "application/jwk-set+json, application/json"}
    if address.token_file is not None:
        headers["Authorization"] = f"Bearer {address.token_file.read_text('ascii').strip()}"
    return trust, headers
