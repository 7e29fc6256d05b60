"""Open outcomes of all replicas: `OpenOutcomes` over Redis. Each is one replica's at a time, by a lease.

The replica that sent a create is the first owner of its outcome. Knows nothing of requests.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

from gateway.redis.script import Script, ScriptStore
from gateway.repeat_guard.intent_records import IntentKeys, account_keys
from gateway.repeat_guard.intent_scripts import OWNER_LENGTH
from gateway.repeat_guard.open_outcomes import LEASE_SECONDS, Comparison, OpenOutcome, OutcomeState
from gateway.repeat_guard.outcome_scripts import COMPARE, LIST, OWN, RESOLVE, TAKE, TAKE_OVER, WRITE
from gateway.repeat_guard.outcome_text import read_outcome, write_outcome


class SharedOutcomes:
    """`now` is the time that replicas share. Every method raises `StoreUnavailable`."""

    def __init__(
        self, store: ScriptStore, now: Callable[[], float], *, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.now = now
        self._store = store
        self._lease_ms = round(lease_seconds * 1000)
        self._owner = secrets.token_hex(OWNER_LENGTH // 2)
        self._taken: set[str] = set()

    async def take_over(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """Outcomes of replicas that are gone. One that cannot be read is left for a release that can."""
        found: list[OpenOutcome] = []
        for account in accounts:
            if len(found) >= most:
                break
            rows = await self._run(TAKE_OVER, _index(account), self._owner, self._lease_ms, most - len(found))
            found += self._take(rows)
        return found

    async def take(self, account: str, id_: str) -> OpenOutcome | None:
        """One outcome, unless another replica has it."""
        row = await self._run(TAKE, _index(account), self._owner, self._lease_ms, id_)
        return None if row is None else next(iter(self._take([row])), None)

    async def keep(self, outcome: OpenOutcome) -> bool:
        """Write what changed, and renew the lease."""
        return await self._write(outcome, self._owner_of(outcome), self._lease_ms)

    async def release(self, outcome: OpenOutcome) -> None:
        """Let the next replica that looks take it."""
        await self._write(outcome, self._owner_of(outcome), 0)
        self._taken.discard(outcome.id)

    async def resolve(self, outcome: OpenOutcome, state: OutcomeState, *, sid: str = "") -> bool:
        """End it for all replicas."""
        before = outcome.state
        outcome.state = state
        keys = IntentKeys.of(outcome)
        names = (keys.open, keys.leases, keys.kept, keys.intent, keys.sids, keys.to)
        text = write_outcome(outcome)
        owner = self._owner_of(outcome)
        try:
            written = await self._run(RESOLVE, names, outcome.id, owner, state, sid, text)
        except BaseException:
            outcome.state = before
            raise
        if written == 0:
            outcome.state = before
            return False
        outcome.sid = sid
        self._taken.discard(outcome.id)
        return True

    async def compare(self, outcome: OpenOutcome, sids: Sequence[str]) -> Comparison:
        """In one script."""
        keys = IntentKeys.of(outcome)
        others, *unowned = await self._run(COMPARE, (keys.open, keys.sids, keys.to), outcome.id, *sids)
        return Comparison(tuple(sid.decode() for sid in unowned), others)

    async def own(self, account: str, sid: str) -> None:
        """Remember a SID that this gateway created."""
        await self._run(OWN, account_keys(account)[4:], sid)

    async def listed(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """Those that have ended, and those whose replica is gone."""
        found: list[OpenOutcome] = []
        for account in accounts:
            rows = await self._run(LIST, _index(account), most)
            found += filter(None, (_read_row(row) for row in rows))
        return sorted(found, key=lambda each: each.started_at)[:most]

    def _owner_of(self, outcome: OpenOutcome) -> str:
        return self._owner if outcome.id in self._taken else outcome.id[:OWNER_LENGTH]

    def _take(self, rows: list[list[Any]]) -> list[OpenOutcome]:
        found = [outcome for row in rows if (outcome := _read_row(row)) is not None]
        self._taken.update(outcome.id for outcome in found)
        return found

    async def _write(self, outcome: OpenOutcome, owner: str, lease_ms: int) -> bool:
        keys = account_keys(outcome.subject.account)[1:3]
        text = write_outcome(outcome)
        written = await self._run(WRITE, keys, outcome.id, owner, lease_ms, text)
        if not written:
            self._taken.discard(outcome.id)
        return bool(written)

    async def _run(self, script: Script, keys: tuple[str, ...], *args: bytes | str | int) -> Any:
        return await self._store.run(script, keys, (round(self.now() * 1000), *args))


def _index(account: str) -> tuple[str, str, str]:
    _, open_, leases, kept, _ = account_keys(account)
    return open_, leases, kept


def _read_row(row: list[Any]) -> OpenOutcome | None:
    id_, lease_ends_at, text = row
    return read_outcome(id_.decode(), lease_ends_at / 1000, text)
