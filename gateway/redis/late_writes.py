"""Ends that the store has not taken yet: written again until it has them, at most one for each scope.

Keyed requests and guarded creates both end something in the store that may not be lost while it is away.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, Self, TypeVar

from gateway.background.loops import BackgroundLoop, BackgroundLoops

_AGAIN_SECONDS = 0.5
_ROUND_SECONDS = 30.0  # while the store is unavailable, nothing is written


class Superseding(Protocol):
    """What has an end to write. `number` counts them in the order in which they were made."""

    number: int

    @property
    def scope(self) -> str:
        """What may not happen twice."""
        ...

    def supersede(self, earlier: Self) -> None:
        """Whatever ends this one ends `earlier` as well."""
        ...


_Lease = TypeVar("_Lease", bound=Superseding)


class LateWrites(Generic[_Lease]):
    """In the order in which they came; over `most` the oldest goes, and reads as open.

    `write` tries once and returns whether the store has it. `name` is that of the background loop, which runs
    only while something is queued; `sleep` waits for some seconds.
    """

    def __init__(
        self,
        write: Callable[[_Lease], Awaitable[bool]],
        most: int,
        *,
        name: str,
        loops: BackgroundLoops,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.most = most
        self.running: asyncio.Task[None] | None = None
        self._write = write
        self._name = name
        self._loops = loops
        self._sleep = sleep
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The loop that writes them, while it runs."""
        return () if self.running is None else (self.running,)

    def add(self, lease: _Lease) -> None:
        """Queue an end. Of two with one scope the later one ends both."""
        scope, queued = lease.scope, self._leases.get(lease.scope)
        if queued is not None and queued is not lease:
            earlier, lease = sorted((queued, lease), key=lambda each: each.number)
            lease.supersede(earlier)
        self._leases[scope] = lease
        if len(self._leases) > self.most:
            self._leases.popitem(last=False)
        if self.running is None:
            self.running = self._loops.start(self._name, _ROUND_SECONDS, self._run)

    def take(self, scope: str) -> _Lease | None:
        """What is queued of a scope, and is ended by another from now on."""
        return self._leases.pop(scope, None)

    async def _run(self, loop: BackgroundLoop) -> None:
        """The oldest first. It stays queued meanwhile, to be superseded."""
        while self._leases:
            scope, lease = next(iter(self._leases.items()))
            if not await self._write(lease):
                await self._sleep(_AGAIN_SECONDS)
                continue
            loop.beat()
            if self._leases.get(scope) is lease:
                del self._leases[scope]
        self.running = None
