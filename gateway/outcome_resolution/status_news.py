"""News of Twilio's about messages and calls: a verified status callback names one, so that it exists.

One that no exchange owns may be what an open outcome lacks: it is looked for at once, and Twilio's list
decides as ever, because a callback does not say what was sent. Where webhooks are another process's, the news
come through the store: SIDs, which are no secret, for a minute.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.background.unwaited import UnwaitedTasks
from gateway.outcome_resolution.pursuit import Pursuit
from gateway.redis.answer_forms import integer, items, text
from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import Script, ScriptStore
from gateway.repeat_guard.open_outcomes import OpenOutcomes

_MAX_AT_ONCE: Final = 100
_MAX_SEEN: Final = 10_000
_POLL_SECONDS: Final = 1.0
_KEPT_SECONDS: Final = 60
_MAX_KEPT: Final = 1_000
# KEYS: news. ARGV: SID, now (ms).
_TELL: Final = Script.of(
    f"""
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, {-_MAX_KEPT - 1})
redis.call('EXPIRE', KEYS[1], {_KEPT_SECONDS})
return 1
""",
    integer,
)
# KEYS: news. ARGV: since (ms).
_READ: Final = Script.of("return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')", items(text))


class PursuedOutcomes(Protocol):
    """`OutcomeResolver`, as far as news are concerned."""

    @property
    def outcomes(self) -> OpenOutcomes: ...
    def pursuits_of(self, account: str) -> list[Pursuit]: ...
    def pursued_accounts(self) -> set[str]: ...


class StatusNews:
    """One per process, on its loop. `now` is the time that replicas share, in seconds since the epoch."""

    def __init__(
        self,
        resolver: PursuedOutcomes,
        store: ScriptStore | None,
        now: Callable[[], float],
        loops: BackgroundLoops,
    ) -> None:
        self._resolver = resolver
        self._store = store
        self._now = now
        self._loops = loops
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._running = UnwaitedTasks()
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for news of other processes."""
        if self._store is not None:
            self._polling = self._loops.start("status_news", 3 * _POLL_SECONDS, self._poll)

    async def close(self) -> None:
        """Stop looking."""
        await self._running.close(others=[] if self._polling is None else [self._polling])

    def told(self, account: str, sid: str) -> None:
        """Twilio has called back about a message or call. Never waits; in a flood some news are dropped."""
        waited_for = bool(self._resolver.pursuits_of(account))
        if sid in self._seen or len(self._running) >= _MAX_AT_ONCE or not (waited_for or self._store):
            return
        self._remember(sid)
        self._running.start(self._take(account, sid, tells=True))

    async def _take(self, account: str, sid: str, *, tells: bool) -> None:
        with suppress(StoreUnavailable):  # the schedule goes on without it
            if tells and self._store is not None:
                await self._store.run(_TELL, [_key(account)], [sid, round(self._now() * 1000)])
            for pursuit in self._resolver.pursuits_of(account):
                found = await self._resolver.outcomes.compare(pursuit.outcome, [sid])
                if sid in found.unowned:
                    pursuit.look_now()

    async def _poll(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            for account in self._resolver.pursued_accounts():
                await self._read(account)
            loop.beat()

    async def _read(self, account: str) -> None:
        assert self._store is not None
        since = round((self._now() - _KEPT_SECONDS) * 1000)
        with suppress(StoreUnavailable):
            for raw in await self._store.run(_READ, [_key(account)], [since]):
                sid = raw.decode("ascii")
                if sid not in self._seen:
                    self._remember(sid)
                    await self._take(account, sid, tells=False)

    def _remember(self, sid: str) -> None:
        self._seen[sid] = None
        if len(self._seen) > _MAX_SEEN:
            self._seen.popitem(last=False)


def _key(account: str) -> str:
    return f"news:{{{account}}}"
