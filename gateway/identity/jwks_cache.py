"""The keys of every issuer as they are now: fetched in the background, kept while an issuer is away.

Knows nothing of tokens. Where a key is asked for that is not known, a new fetch follows at once, but not
twice in 30 s: key ids are what anybody may write into a token.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.identity.jwks import JwkSet
from gateway.identity.jwks_fetch import FetchError, KeyAddress, fetch_key_ring

_ASK_AGAIN_SECONDS = 30.0
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 60.0

Spread = Callable[[float, float], float]
"""A random number between two, so that replicas do not ask all at once: `random.uniform`."""
OnChange = Callable[[str, str], object]
"""Told an issuer's name and why its keys could not be fetched; '' when they could again."""


class KeySource(NamedTuple):
    """How an issuer's keys are had: fetched from `address`, or `ring` as it stands (from a file)."""

    address: KeyAddress | None
    refresh_seconds: float
    ring: JwkSet | None = None


class IssuerJwks:
    """The keys of one issuer. `ring` is None until a first fetch succeeded; `fetched` is a monotonic time."""

    def __init__(
        self, name: str, source: KeySource, on_change: OnChange, clock: Callable[[], float], spread: Spread
    ) -> None:
        self.name = name
        self.source = source
        self.ring = source.ring
        self.fetched: float | None = None
        self.failure = ""
        self.failures = 0
        """How many fetches failed, in all."""
        self._on_change = on_change
        self._clock = clock
        self._spread = spread
        self._asked: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetch now, and again and again."""
        if self.source.address is not None:
            self._fetching = asyncio.create_task(self._fetch_once())
            self._refreshing = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """End what runs."""
        tasks = [task for task in (self._refreshing, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask_anew(self) -> None:
        """Wait for a fetch that is under way, or begin one, unless that was done a short while ago."""
        if self._fetching is None:
            now = self._clock()
            if self._asked is not None and now - self._asked < _ASK_AGAIN_SECONDS:
                return
            self._asked = now
        await self._fetch()

    async def _refresh(self) -> None:
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            await self._fetch()
            wait, backoff = self.source.refresh_seconds, _FIRST_BACKOFF_SECONDS
            while self.failure:
                await asyncio.sleep(min(wait, backoff) * self._spread(0.5, 1.0))
                backoff = min(2 * backoff, _LONGEST_BACKOFF_SECONDS)
                await self._fetch()
            await asyncio.sleep(wait * self._spread(0.9, 1.0))

    async def _fetch(self) -> None:
        """One fetch, shared by all who want it at the same time; whoever goes away does not end it."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_once())
        await asyncio.shield(self._fetching)

    async def _fetch_once(self) -> None:
        address = self.source.address
        before = self.failure
        try:
            if address is None:
                return
            ring = await fetch_key_ring(address)
            # The same keys are the same ring, so that tokens verified with it stay verified.
            self.ring = self.ring if ring.holds_same(self.ring) else ring
            self.fetched = self._clock()
            self.failure = ""
        except FetchError as error:
            self.failures += 1
            self.failure = str(error)
        finally:
            self._fetching = None
        if bool(before) != bool(self.failure):
            self._on_change(self.name, self.failure)


class JwksCache:
    """The keys of all issuers that the configuration in force names."""

    def __init__(self, on_change: OnChange, clock: Callable[[], float], spread: Spread) -> None:
        self._on_change = on_change
        self._clock = clock
        self._spread = spread
        self.issuers: dict[str, IssuerJwks] = {}

    async def configure(self, sources: Mapping[str, KeySource]) -> None:
        """Have these issuers (by name) and no others. Whose source is the same keeps its keys."""
        ended = []
        for name, keys in list(self.issuers.items()):
            if sources.get(name) != keys.source:
                ended.append(self.issuers.pop(name))
        for name, source in sources.items():
            if name not in self.issuers:
                keys = IssuerJwks(name, source, self._on_change, self._clock, self._spread)
                self.issuers[name] = keys
                keys.start()
        for keys in ended:
            await keys.close()

    async def close(self) -> None:
        """End everything."""
        await self.configure({})
