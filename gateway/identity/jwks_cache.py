"""The current keys of every issuer: fetched in the background, and kept while an issuer is unavailable.

Knows nothing of tokens. An unknown key id, or keys that verify nothing, cause a fetch at once, up to a small
allowance: anyone can write a token. Once the allowance is used up a fetch is *owed*: it follows by itself as
soon as the allowance permits, and until then it is unknown whether the issuer has such a key.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.identity.jwks import JwkSet
from gateway.identity.jwks_fetch import FetchError, KeyAddress, fetch_jwks

_ALLOWANCE = 4
"""Fetches for unknown keys that may follow each other at once."""
_ALLOWANCE_SECONDS = 10.0
"""The time after which another one is permitted. An issuer gets at most 6 a minute from each replica."""
_INITIAL_BACKOFF_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 60.0

Spread = Callable[[float, float], float]
"""A random number between two, so that replicas do not fetch at the same time: `random.uniform`."""
OnChange = Callable[[str, str], object]
"""Called with an issuer's name and why its keys could not be fetched, or '' when they could again."""


class KeySource(NamedTuple):
    """Where an issuer's keys come from: fetched from `address`, or the fixed `jwks` of a file."""

    address: KeyAddress | None
    refresh_seconds: float
    jwks: JwkSet | None = None


class Lookup(Enum):
    """The result of a search for a key id among an issuer's current keys."""

    FOUND = "found"
    ABSENT = "absent"  # the issuer does not have it
    UNDECIDED = "undecided"  # the keys could not be fetched, or not yet


class IssuerJwks:
    """The keys of one issuer. `jwks` is None until a first fetch succeeds; `fetched` is a monotonic time."""

    def __init__(
        self,
        name: str,
        source: KeySource,
        on_change: OnChange,
        clock: Callable[[], float],
        spread: Spread,
        loops: BackgroundLoops,
    ) -> None:
        self.name = name
        self.source = source
        self.jwks = source.jwks
        self.fetched: float | None = None
        self.failure = ""
        self.failures = 0
        """How many fetches failed, in all."""
        self._on_change = on_change
        self._clock = clock
        self._spread = spread
        self._loops = loops
        self._closed = False
        self._allowance = float(_ALLOWANCE)
        self._allowance_at = clock()
        self._fetching: asyncio.Task[None] | None = None
        self._owed: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetch now, and regularly."""
        if self.source.address is not None:
            self._begin_fetch()
            interval = self.source.refresh_seconds + _MAX_BACKOFF_SECONDS
            self._refreshing = self._loops.start(f"jwks_{self.name}", interval, self._refresh)

    async def close(self) -> None:
        """End everything. Searches that are under way end undecided."""
        self._closed = True
        if self._owed is not None:
            self._owed.cancel()
        tasks = [task for task in (self._refreshing, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def find(self, key_id: str | None) -> Lookup:
        """Search for a key id, with a new fetch if it is unknown. A cancelled search ends no fetch."""
        return await self._search(lambda: self.jwks is not None and self.jwks.knows(key_id))

    async def find_other(self, tried: JwkSet) -> Lookup:
        """Search for keys other than those of `tried`, none of which verified a token. As `find`."""
        return await self._search(lambda: self.jwks is not tried)

    async def _search(self, is_there: Callable[[], bool]) -> Lookup:
        if is_there():
            return Lookup.FOUND
        if self.source.address is None:
            return Lookup.ABSENT
        if self._closed:  # replaced since the request took its snapshot: nothing is fetched for it any more
            return Lookup.UNDECIDED
        if self._fetching is not None:  # it began earlier, and may miss a key that was added since
            await asyncio.wait((self._fetching,))
            found = self._found(is_there)
            if found is not Lookup.ABSENT:
                return found
        if self._fetching is None and not self._spend_allowance():
            self._owe_fetch()
            return Lookup.UNDECIDED
        await self._fetch()
        return self._found(is_there)

    @property
    def retry_after_seconds(self) -> int:
        """When an undecided search should be repeated."""
        if self._owed is None:
            return 5
        return max(1, math.ceil(self._owed.when() - asyncio.get_running_loop().time()))

    def _found(self, is_there: Callable[[], bool]) -> Lookup:
        if self._closed:
            return Lookup.UNDECIDED
        if is_there():
            return Lookup.FOUND
        return Lookup.UNDECIDED if self.failure else Lookup.ABSENT

    def _spend_allowance(self) -> bool:
        now = self._clock()
        earned = (now - self._allowance_at) / _ALLOWANCE_SECONDS
        self._allowance = min(_ALLOWANCE, self._allowance + earned)
        self._allowance_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _owe_fetch(self) -> None:
        if self._owed is None:
            wait = (1 - self._allowance) * _ALLOWANCE_SECONDS
            self._owed = asyncio.get_running_loop().call_later(wait, self._pay_owed)

    def _pay_owed(self) -> None:
        self._owed = None
        if self._fetching is not None:
            return
        if self._spend_allowance():
            self._begin_fetch()
        else:  # a timer may fire a little early
            self._owe_fetch()

    async def _refresh(self, loop: BackgroundLoop) -> None:
        while True:
            await self._fetch()
            loop.beat()
            backoff = _INITIAL_BACKOFF_SECONDS
            while self.failure:
                wait = min(self.source.refresh_seconds, backoff)
                await asyncio.sleep(wait * self._spread(0.5, 1.0))
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
                await self._fetch()
                loop.beat()
            await asyncio.sleep(self.source.refresh_seconds * self._spread(0.9, 1.0))

    async def _fetch(self) -> None:
        """One fetch, shared by all that want it at the same time."""
        await asyncio.wait((self._fetching or self._begin_fetch(),))

    def _begin_fetch(self) -> "asyncio.Task[None]":
        self._fetching = asyncio.create_task(self._fetch_once())
        return self._fetching

    async def _fetch_once(self) -> None:
        address = self.source.address
        if address is None:
            return
        before, failure = self.failure, "internal error"
        try:
            jwks = await fetch_jwks(address)
            # The same keys stay the same object, so that verified tokens stay verified.
            self.jwks = self.jwks if jwks.holds_same(self.jwks) else jwks
            self.fetched = self._clock()
            failure = ""
        except FetchError as error:
            failure = str(error)
        finally:
            self._fetching = None
            self.failure = failure
            self.failures += bool(failure)
        if bool(before) != bool(self.failure):
            self._on_change(self.name, self.failure)


class JwksCache:
    """The keys of all issuers in the active configuration."""

    def __init__(
        self,
        on_change: OnChange,
        clock: Callable[[], float],
        spread: Spread,
        loops: BackgroundLoops | None = None,
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._spread = spread
        self._loops = loops if loops is not None else BackgroundLoops()
        self.issuers: dict[str, IssuerJwks] = {}

    async def configure(self, sources: Mapping[str, KeySource]) -> None:
        """Have exactly these issuers (by name). An issuer whose source is unchanged keeps its keys."""
        ended = []
        for name, keys in list(self.issuers.items()):
            if sources.get(name) != keys.source:
                ended.append(self.issuers.pop(name))
        for name, source in sources.items():
            if name not in self.issuers:
                keys = IssuerJwks(name, source, self._on_change, self._clock, self._spread, self._loops)
                self.issuers[name] = keys
                keys.start()
        for keys in ended:
            await keys.close()

    async def close(self) -> None:
        """End everything."""
        await self.configure({})
