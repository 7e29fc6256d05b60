"""Connections to what a URL names, as redis-py makes them. Needs the extra `twilio-gateway[redis]`."""

import importlib
from collections.abc import Callable
from typing import Any


def require_connection(url: str) -> None:
    """Raises `ImportError` without the extra, `ValueError` for a URL that no connection can be made of."""
    from redis.exceptions import RedisError

    try:
        connection_factory(url)()
    except (TypeError, RedisError):  # an unknown option, a word that is none of its values
        # `from None`: the original error may hold the URL.
        raise ValueError("the URL cannot be used") from None


def connection_factory(url: str) -> Callable[[], Any]:
    """Make connections to `url`; valkey:// and valkeys:// are the same protocol."""
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    importlib.import_module("hiredis")  # which the extra has, but redis-py alone has not
    scheme, _, rest = url.partition("://")
    pool = ConnectionPool.from_url(f"{scheme.replace('valkey', 'redis')}://{rest}")
    # After the URL's own options, so that a query string cannot undo them. RESP2 needs no handshake; the pipe
    # has its own time-outs.
    pool.connection_kwargs.update(
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        decode_responses=False,
        socket_timeout=None,
        health_check_interval=0,
    )
    return pool.make_connection
