"""The shared store, Redis or Valkey: scripts in, answers or `StoreUnavailable` out (`docs/design.md` 4.6).

It knows time-outs, the breaker, reconnection and the prefix of all keys; not what the scripts do. While the
store is unavailable nothing waits for it: scripts fail at once, and a probe in the background finds out when
it is available again.
"""

import asyncio
import hashlib
import importlib
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.redis.availability import (
    MAX_PAUSE_SECONDS,
    Breaker,
    ProbePause,
    StoreState,
    StoreUnavailable,
    UnusableKey,
)
from gateway.redis.server_clock import ServerClock
from gateway.redis.store_probe import PROBE_KEYS, PROBE_TEXT, read_probe

if TYPE_CHECKING:
    from gateway.redis.redis_connection import Pipe

ANSWER_SECONDS = 0.08
"""How long an answer may take; a fifth longer if this process itself was busy."""
CONNECT_SECONDS = 0.1
PROBE_SECONDS = 1.0
"""How long a probe may take. No request waits for it, and TLS to a distant Redis fits."""
PROBE_EVERY_SECONDS = 0.25
CLOCK_EVERY_SECONDS = 10.0
FAILURES_MAX = 3
SILENT_SECONDS = 1.0
"""How long the store must be silent to count as unavailable."""
DEFAULT_PREFIX = "gateway"


class Script(NamedTuple):
    """A Lua script and its SHA-1, by which Redis knows it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Make a script. All keys of one call need the same `{hash tag}`, so that a cluster can run it."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class ScriptStore(Protocol):
    """The part of `RedisStore` that those use who keep records."""

    @property
    def state(self) -> StoreState: ...

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any: ...


class RedisStore:
    """One per process and event loop. `on_change` is called when the store becomes unavailable or available.

    Needs the extra `twilio-gateway[redis]`; raises `ImportError` without it. `url` may contain a password,
    and is stored only in the connection. Every key begins with `prefix` and a colon. `questions` counts the
    scripts that were sent. `name` begins the names of its background loops.
    """

    def __init__(
        self,
        url: str,
        on_change: Callable[[StoreState], None],
        *,
        prefix: str = DEFAULT_PREFIX,
        loops: BackgroundLoops | None = None,
        clock: Callable[[], float] = time.time,
        answer_seconds: float = ANSWER_SECONDS,
        probe_every_seconds: float = PROBE_EVERY_SECONDS,
        name: str = "store",
    ) -> None:
        from redis.exceptions import ResponseError

        self._response_error = ResponseError
        self._make = _connection_factory(url)
        self._on_change = on_change
        self._answer_seconds = answer_seconds
        self._pause = ProbePause(probe_every_seconds, time.monotonic)
        self._prefix = prefix + ":"
        self._name = name
        self._loops = loops if loops is not None else BackgroundLoops()
        self.server_clock = ServerClock(clock)
        """The server's time, for what replicas compare."""
        self._breaker = Breaker(FAILURES_MAX, SILENT_SECONDS, clock, self._changed)
        self._pipe: Pipe | None = None
        self._reconnected = asyncio.Event()
        self.questions = 0
        self._probing: asyncio.Task[None] | None = None
        self._keeping_time: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def state(self) -> StoreState:
        """Whether the store is available, since when, and why not."""
        return self._breaker.state

    async def open(self) -> None:
        """Probe once, so that a wrong address is reported at the start. An unavailable store is no error."""
        if reason := await self._probe():
            self._breaker.open(reason)
        self._keeping_time = self._loops.start(
            f"{self._name}_clock", 2 * CLOCK_EVERY_SECONDS, self._keep_time
        )

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[bytes | str | int],
        *,
        is_vital: bool = True,
    ) -> Any:
        """Run a script in one round trip; replies are int, bytes, None or lists of these.

        Raises `StoreUnavailable`: at once while the store is unavailable, else within about `ANSWER_SECONDS`.
        The script may have run nevertheless. A rejection counts against the store only if it `is_vital`.
        Raises `UnusableKey`, which counts against nothing, if a key does not hold what it should.
        """
        if not self._breaker.state.available:
            raise StoreUnavailable(self._breaker.state.reason)
        if self._closed:
            raise StoreUnavailable("closed")
        if self._pipe is None or self._pipe.ended:
            self._pipe = self._new_pipe(self._answer_seconds, max(CONNECT_SECONDS, self._answer_seconds))
            self._reconnected.set()
        self.questions += 1
        prefix = self._prefix
        try:
            answer = await _run(self._pipe, script, [prefix + key for key in keys], args)
        except StoreUnavailable as error:
            if not self._closed:
                self._pause.silent()
                self._breaker.failed(str(error))
            raise
        except self._response_error as error:  # READONLY, OOM, NOPERM …
            reason = f"{type(error).__name__}: {error}"[:200]
            if _UNUSABLE.search(str(error)):
                raise UnusableKey(reason) from error
            if is_vital and self._breaker.rejected(reason):
                self._pause.refused()
            raise StoreUnavailable(reason) from error
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        """End the connection and what runs in the background."""
        self._closed = True
        tasks = [task for task in (self._probing, self._keeping_time) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._pipe is not None:
            await self._pipe.close()

    def _new_pipe(self, answer_seconds: float, connect_seconds: float) -> "Pipe":
        from gateway.redis.redis_connection import Pipe

        return Pipe(self._make(), answer_seconds=answer_seconds, connect_seconds=connect_seconds)

    def _changed(self, state: StoreState) -> None:
        if not state.available and not self._closed:
            self._probing = self._loops.start(
                f"{self._name}_probe", MAX_PAUSE_SECONDS + 2 * PROBE_SECONDS, self._probe_until_back
            )
        self._on_change(state)

    async def _probe_until_back(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(self._pause.seconds)
            reason = await self._probe()
            loop.beat()
            if not reason:
                self._probing = None
                self._pause.available()
                self._breaker.close()
                return

    async def _probe(self) -> str:
        """Why the store cannot be used, or '' if it can.

        The connection of a good probe is kept: if connecting takes longer than requests would wait, they find
        it open.
        """
        pipe = self._new_pipe(PROBE_SECONDS, PROBE_SECONDS)
        try:
            reason = read_probe(await _run(pipe, _PROBE, [self._prefix + key for key in PROBE_KEYS], ()))
            await self._ask_time(pipe)
        except (StoreUnavailable, self._response_error) as error:
            await pipe.close()
            return str(error)[:200]
        except asyncio.CancelledError:
            await pipe.close()
            raise
        if reason:
            await pipe.close()
            return reason[:200]
        if self._pipe is not None:
            await self._pipe.close()
        pipe.set_answer_seconds(self._answer_seconds)
        self._pipe = pipe
        return ""

    async def _keep_time(self, loop: BackgroundLoop) -> None:
        """Clocks drift, and another server may have taken the address: ask for its time again and again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOCK_EVERY_SECONDS):
                    await self._reconnected.wait()
            self._reconnected.clear()
            if self._pipe is not None and not self._pipe.ended:
                with suppress(StoreUnavailable):  # the next script finds out as well
                    await self._ask_time(self._pipe)
            loop.beat()

    async def _ask_time(self, pipe: "Pipe") -> None:
        started_at = self.server_clock.start()
        try:
            self.server_clock.set(started_at, await pipe.ask("TIME"))
        except (self._response_error, ValueError, IndexError, TypeError):  # no right to TIME; a proxy
            self.server_clock.use_own()


# What a script says of the content of a key: its type, or what Lua cannot compute with.
_UNUSABLE: Final = re.compile(
    "WRONGTYPE|attempt to (?:compare|perform arithmetic|index|concatenate)|bad argument #|is not an integer"
)
_PROBE = Script.of(PROBE_TEXT)


async def _run(pipe: "Pipe", script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any:
    try:
        return await pipe.ask("EVALSHA", script.sha, len(keys), *keys, *args)
    except pipe.unknown_script:  # not run; EVAL runs it and keeps it
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
