"""Ends that nearly all creates have, written without a task: the answer has reached its caller.

Such an end is sent with the next script, or some milliseconds later, so that a busy replica writes to the
store once a create and not twice. Until then the create is in flight to others, who ask again in a moment.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import ScriptStore
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import IntentEnd
from gateway.repeat_guard.intent_scripts import FORGET


class PostedEnds:
    """`now` is the time that replicas share. `on_end` is called with each lease and what FORGET has replied,
    None if it is to be written again; not once this is closed.
    """

    def __init__(
        self,
        store: ScriptStore,
        now: Callable[[], float],
        on_end: Callable[[IntentLease, int | None], None],
    ) -> None:
        self._store = store
        self._now = now
        self._on_end = on_end
        self._posted: set[IntentLease] = set()
        self._none_left: asyncio.Future[None] | None = None
        self._closed = False

    def post(self, lease: IntentLease, end: IntentEnd) -> bool:
        """Write the end of a lease that the store knows of; False if this one has to be waited for."""
        is_plain = lease.end is None and not (lease.is_unsure or lease.supersedes or lease.sids)
        if end.state or not is_plain:
            return False
        commands = lease.commands
        try:
            if commands is not None and not end.sid:
                packed = commands.forget(lease.outcome, self._now())
            else:
                keys = lease.keys
                names: tuple[str, ...] = (keys.intent, keys.open, keys.leases, keys.kept)
                if end.sid or lease.outcome.subject.to_digest:
                    names = (*names, keys.sids, keys.to)
                args = (round(self._now() * 1000), end.sid, lease.outcome.id)
                packed = self._store.pack(FORGET, names, args)
            self._store.post_packed(FORGET, packed, partial(self._ended, lease))
        except StoreUnavailable:
            return False
        self._posted.add(lease)
        return True

    async def close(self, seconds: float) -> None:
        """Give what is under way `seconds`."""
        if (over := self.over()) is not None:
            await asyncio.wait((over,), timeout=seconds)
        self._closed = True

    def over(self) -> "asyncio.Future[None] | None":
        """Done once nothing is under way; None if nothing is."""
        if self._posted and self._none_left is None:
            self._none_left = asyncio.get_running_loop().create_future()
        return self._none_left

    def _ended(self, lease: IntentLease, reply: Any) -> None:
        self._posted.discard(lease)
        if not self._closed:
            self._on_end(lease, reply if isinstance(reply, int) else None)
        if self._none_left is not None and not self._posted:
            self._none_left.set_result(None)
            self._none_left = None
