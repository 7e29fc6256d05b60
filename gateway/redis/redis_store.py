"""The connection to Redis or Valkey: scripts in, answers or `StoreUnavailable` out (design 4.6).

Knows time-outs, the breaker and how to come back; not what the scripts do. While the store is away nobody
waits for it: questions fail at once, and a probe in the background finds out when it is back.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.redis.availability import Breaker, StoreState, StoreUnavailable

if TYPE_CHECKING:
    from gateway.redis.redis_connection import Pipe

ANSWER_SECONDS = 0.08
"""How long an answer may take; a fifth more if this process was busy itself."""
CONNECT_SECONDS = 0.1
PROBE_SECONDS = 1.0
"""How long a probe may take, which has nobody waiting for it: TLS to a distant Redis fits."""
PROBE_EVERY_SECONDS = 0.25
FAILURES_MAX = 3
_PROBE_KEY = "gateway:probe"
# A write, because a replica or a full Redis still answers a PING.
_PROBE = "redis.call('SET', KEYS[1], '1', 'PX', 1000) return 1"


class Script(NamedTuple):
    """A Lua script and the SHA-1 that Redis knows it by."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Compile `text`. All keys of one call need the same `{hash tag}`, so that a cluster can run it."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisStore:
    """One per process and loop. `on_change` is told when the store goes away and comes back.

    Needs the extra `twilio-gateway[redis]`; raises `ImportError` without it. `url` may hold a password and is
    kept nowhere but in the connection. `questions` counts the scripts that were sent.
    """

    def __init__(
        self,
        url: str,
        on_change: Callable[[StoreState], None],
        *,
        clock: Callable[[], float] = time.time,
        answer_seconds: float = ANSWER_SECONDS,
        probe_every_seconds: float = PROBE_EVERY_SECONDS,
    ) -> None:
        from redis.exceptions import ResponseError

        self._response_error = ResponseError
        self._make = _connection_factory(url)
        self._on_change = on_change
        self._answer_seconds = answer_seconds
        self._probe_every_seconds = probe_every_seconds
        self._breaker = Breaker(FAILURES_MAX, clock, self._changed)
        self._pipe: Pipe | None = None
        self.questions = 0
        self._probing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def state(self) -> StoreState:
        """Whether the store is there, since when, and why not."""
        return self._breaker.state

    async def open(self) -> None:
        """Ask once, so that a wrong address is told of at the start. A store that is away is no error."""
        if reason := await self._probe():
            self._breaker.open(reason)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any:
        """Run a script in one round trip; replies are int, bytes, None or lists of these.

        Raises `StoreUnavailable`: at once while the store is away, else within about `ANSWER_SECONDS`. The
        script may have run all the same.
        """
        if not self._breaker.state.available:
            raise StoreUnavailable(self._breaker.state.reason)
        if self._closed:
            raise StoreUnavailable("closed")
        if self._pipe is None or self._pipe.ended:
            self._pipe = self._new_pipe(self._answer_seconds, CONNECT_SECONDS)
        self.questions += 1
        try:
            answer = await _run(self._pipe, script, keys, args)
        except StoreUnavailable as error:
            if not self._closed:
                self._breaker.failed(str(error))
            raise
        except self._response_error as error:  # READONLY, OOM, NOPERM …: it is there, and no use to us
            reason = f"{type(error).__name__}: {error}"[:200]
            self._breaker.failed(reason)
            raise StoreUnavailable(reason) from error
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        """End the connection and the probe."""
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            with suppress(asyncio.CancelledError):
                await self._probing
        if self._pipe is not None:
            await self._pipe.close()

    def _new_pipe(self, answer_seconds: float, connect_seconds: float) -> "Pipe":
        from gateway.redis.redis_connection import Pipe

        return Pipe(self._make(), answer_seconds=answer_seconds, connect_seconds=connect_seconds)

    def _changed(self, state: StoreState) -> None:
        if not state.available and not self._closed:
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_back())
        self._on_change(state)

    async def _probe_until_back(self) -> None:
        while True:
            await asyncio.sleep(self._probe_every_seconds)
            if not await self._probe():
                self._probing = None
                self._breaker.close()
                return

    async def _probe(self) -> str:
        """Why the store is of no use; '' if it is. A good probe's connection is kept: where connecting takes
        longer than callers would wait, they find it open."""
        pipe = self._new_pipe(PROBE_SECONDS, PROBE_SECONDS)
        try:
            await _run(pipe, _PROBE_SCRIPT, (_PROBE_KEY,), ())
        except (StoreUnavailable, self._response_error) as error:
            await pipe.close()
            return str(error)[:200]
        except asyncio.CancelledError:
            await pipe.close()
            raise
        if self._pipe is not None:
            await self._pipe.close()
        pipe.set_answer_seconds(self._answer_seconds)
        self._pipe = pipe
        return ""


_PROBE_SCRIPT = Script.of(_PROBE)


async def _run(pipe: "Pipe", script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any:
    from redis.exceptions import NoScriptError

    try:
        return await pipe.ask("EVALSHA", script.sha, len(keys), *keys, *args)
    except NoScriptError:  # not run; EVAL runs it and keeps it
        return await pipe.ask("EVAL", script.text, len(keys), *keys, *args)


def require_connection(url: str) -> None:
    """Raises `ImportError` without the extra, `ValueError` for a URL that no connection can be made of."""
    from redis.exceptions import RedisError

    try:
        _connection_factory(url)()
    except (TypeError, RedisError):  # an unknown option, a word that is none of its values
        # `from None`: the original error may hold the URL.
        raise ValueError("the URL cannot be used") from None


def _connection_factory(url: str) -> Callable[[], Any]:
    """Makes connections to `url`; valkey:// and valkeys:// are the same protocol."""
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    scheme, _, rest = url.partition("://")
    pool = ConnectionPool.from_url(f"{scheme.replace('valkey', 'redis')}://{rest}")
    # After the URL's own options: what is decided here cannot be undone by a query string. RESP2 needs no
    # handshake; time-outs are the pipe's.
    pool.connection_kwargs.update(
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        decode_responses=False,
        socket_timeout=None,
        health_check_interval=0,
    )
    return pool.make_connection
