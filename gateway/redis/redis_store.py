"""The shared store, Redis or Valkey: scripts in, answers or `StoreUnavailable` out (`docs/design.md` 4.6).

It knows time-outs, the breaker, reconnection and the prefix of all keys; not what the scripts do. While the
store is unavailable nothing waits for it: scripts fail at once, and a probe in the background finds out when
it is available again.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.redis.availability import (
    MAX_PAUSE_SECONDS,
    Breaker,
    ProbePause,
    StoreState,
    StoreUnavailable,
    UnusableKey,
)
from gateway.redis.command_bytes import Argument, call_by_text, pack_call
from gateway.redis.redis_url import connection_factory
from gateway.redis.script import Script
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
_CLOCK_TRIES: Final = 3
FAILURES_MAX = 3
SILENT_SECONDS = 1.0
"""How long the store must be silent to count as unavailable."""
DEFAULT_PREFIX = "gateway"


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
        from redis.exceptions import NoScriptError, ResponseError

        self._response_error, self._no_script = ResponseError, NoScriptError
        self._make = connection_factory(url)
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
        args: Sequence[Argument],
        *,
        is_vital: bool = True,
    ) -> Any:
        """Run a script in one round trip; replies are int, bytes, None or lists of these.

        Raises `StoreUnavailable`: at once while the store is unavailable, else within about `ANSWER_SECONDS`.
        The script may have run nevertheless. A rejection counts against the store only if it `is_vital`.
        Raises `UnusableKey`, which counts against nothing, if a key does not hold what it should.
        """
        return await self.run_packed(script, self.pack(script, keys, args), is_vital=is_vital)

    def post(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], on_end: Callable[[Any], None]
    ) -> None:
        """Run a script that nobody waits for, with the next one or a few milliseconds later.

        `on_end` is called with its reply, or with a `StoreUnavailable`: it is to be run again then, though it
        may have run. Raises that if it is known at once; `on_end` is not called then.
        """
        self.post_packed(script, self.pack(script, keys, args), on_end)

    def pack(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> bytes:
        """The call of a script, as `run_packed` and `post_packed` take it."""
        return pack_call(script.sha, [self._prefix + key for key in keys], args)

    async def run_packed(self, script: Script, packed: bytes, *, is_vital: bool = True) -> Any:
        """As `run`."""
        pipe = self._require_pipe()
        self.questions += 1
        try:
            try:
                answer = await pipe.send(packed)
            except self._no_script:  # not run; EVAL runs it and keeps it
                answer = await pipe.send(call_by_text(packed, script.text))
        except StoreUnavailable as error:
            self._failed(error)
            raise
        except self._response_error as error:  # READONLY, OOM, NOPERM …
            reason = f"{type(error).__name__}: {error}"[:200]
            if _UNUSABLE.search(str(error)):
                raise UnusableKey(reason) from error
            self._refused(reason, is_vital=is_vital)
            raise StoreUnavailable(reason) from error
        if not script.returns(answer):
            pipe.abort(_OTHER_FORM)
            self._refused(_OTHER_FORM, is_vital=is_vital)
            raise StoreUnavailable(_OTHER_FORM)
        self._breaker.succeeded()
        return answer

    def post_packed(self, script: Script, packed: bytes, on_end: Callable[[Any], None]) -> None:
        """As `post`."""
        pipe = self._require_pipe()
        self.questions += 1

        def answered(answer: Any) -> None:
            if isinstance(answer, StoreUnavailable):
                self._failed(answer)
            elif isinstance(answer, self._response_error):  # unknown there, or refused: `run` tells which
                answer = StoreUnavailable(type(answer).__name__)
            elif not script.returns(answer):
                pipe.abort(_OTHER_FORM)
                self._refused(_OTHER_FORM, is_vital=True)
                answer = StoreUnavailable(_OTHER_FORM)
            else:
                self._breaker.succeeded()
            on_end(answer)

        pipe.post(packed, answered)

    async def close(self) -> None:
        """End the connection and what runs in the background."""
        self._closed = True
        tasks = [task for task in (self._probing, self._keeping_time) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._pipe is not None:
            await self._pipe.close()

    def _require_pipe(self) -> "Pipe":
        state, pipe = self._breaker.state, self._pipe
        if not state.available:
            raise StoreUnavailable(state.reason)
        if self._closed:
            raise StoreUnavailable("closed")
        if pipe is None or pipe.ended:
            pipe = self._pipe = self._new_pipe(
                self._answer_seconds, max(CONNECT_SECONDS, self._answer_seconds)
            )
            self._reconnected.set()
        return pipe

    def _failed(self, error: StoreUnavailable) -> None:
        """No answer came."""
        if str(error) == _OTHER_FORM:  # another's answer was: the connection was ended for it
            self._refused(_OTHER_FORM, is_vital=True)
        elif not self._closed:
            self._pause.silent()
            self._breaker.failed(str(error))

    def _refused(self, reason: str, *, is_vital: bool) -> None:
        """It answered, and did not do it."""
        if is_vital and self._breaker.rejected(reason):
            self._pause.refused()

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
        keys = [self._prefix + key for key in PROBE_KEYS]
        try:
            reason = read_probe(await pipe.ask("EVAL", PROBE_TEXT, len(PROBE_KEYS), *keys))
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
        """Several times while the answers are slow: a clock that is taken from one and then set right jumps,
        and what is open counts the seconds since its attempt by it."""
        for _ in range(_CLOCK_TRIES):
            started_at = self.server_clock.moment()
            try:
                self.server_clock.set(started_at, await pipe.ask("TIME"))
            except (self._response_error, ValueError, IndexError, TypeError):  # no right to TIME; a proxy
                self.server_clock.use_own()
                return
            if self.server_clock.is_good:
                return


_OTHER_FORM: Final = "the answer to a script is of another form"
# What a script says of the content of a key: its type, or what Lua cannot compute with.
_UNUSABLE: Final = re.compile(
    "WRONGTYPE|attempt to (?:compare|perform arithmetic|index|concatenate)|bad argument #|is not an integer"
)
