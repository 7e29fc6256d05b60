"""Retries of what the gateway fetches for itself (JWKS, secret stores), by aiohttp-retry.

Only reads are retried, soon and a few times; the caller bounds the time of all tries together. Twilio's
answers are not fetched this way: what is retried there is a question of its own (ADR 3, ADR 11).
"""

import logging
from typing import Final

from aiohttp import ClientOSError, ClientResponse, ClientSession, ServerDisconnectedError
from aiohttp_retry import RandomRetry, RetryClient

_ATTEMPTS: Final = 3
_MIN_PAUSE_SECONDS: Final = 0.05
_MAX_PAUSE_SECONDS: Final = 0.5
_TRANSIENT: Final = frozenset({500, 502, 503, 504})

# aiohttp-retry writes repr() of exceptions at debug level, and these can hold header fields.
_SILENT: Final = logging.getLogger("gateway.own_fetches")
_SILENT.disabled = True


def retrying(session: ClientSession) -> RetryClient:
    """A client over `session` whose GETs are tried up to three times. It is for GETs only.

    Again after 500, 502, 503 and 504, and after connections that could not be made or broke. A time-out is
    not retried: what is left of the caller's time is better spent on saying so. The last answer is returned.
    """
    options = RandomRetry(
        attempts=_ATTEMPTS,
        min_timeout=_MIN_PAUSE_SECONDS,
        max_timeout=_MAX_PAUSE_SECONDS,
        methods=("GET",),
        exceptions=(ClientOSError, ServerDisconnectedError),
        retry_all_server_errors=False,
        evaluate_response_callback=_is_final,
    )
    return RetryClient(session, _SILENT, options)


async def _is_final(response: ClientResponse) -> bool:
    """Whether an answer is handed out. One that is not gives its connection back before the pause."""
    if response.status not in _TRANSIENT:
        return True
    response.close()
    return False
