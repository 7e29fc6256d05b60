"""Creates whose outcome is not known yet, in flight or open: what a look at Twilio needs of them.

The repeat guard enters each guarded create, and takes it out once its answer has reached a caller. What is
left belongs to one replica at a time, by a lease: it looks whether the create was done, and resolves it. What
a look is and what follows from it is decided elsewhere; here is only what is recorded (docs/design.md 4.7).
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from gateway.policy.repeat_intent import CreateSubject, RepeatIntent


class OutcomeState(StrEnum):
    """What is known of a create."""

    IN_FLIGHT = "in_flight"
    OPEN = "open"  # ended without a definite answer; to be looked at, if its credential allows
    FOUND = "found"  # Twilio has it: `sid`
    ABSENT = "absent"  # Twilio does not have it
    UNKNOWN = "unknown"  # looks found nothing certain, or none is allowed; kept for people


@dataclass(slots=True)
class OpenOutcome:
    """One guarded create. Times are seconds since the epoch by `OpenOutcomes.now`, 0 for not yet.

    `ends_by` is the attempt's deadline. Of a replica that was killed, or cannot reach the store, the attempt
    ended with the lease: none begins after it. `slug` is the failure, `status` that of Twilio's answer, where
    there is one. Looks are counted over all replicas. Since `empty_since` they have found nothing: a replica
    that takes the outcome over goes on from there. `seen` are SIDs of resources that no exchange owned when
    they were listed: what of them is listed no more was made nevertheless.
    """

    id: str
    scope: str
    subject: CreateSubject
    seconds: float
    started_at: float
    ends_by: float
    ended_at: float = 0.0
    state: OutcomeState = OutcomeState.IN_FLIGHT
    slug: str = ""
    status: int = 0
    looks: int = 0
    looked_at: float = 0.0
    empty_since: float = 0.0
    seen: tuple[str, ...] = ()
    sid: str = ""

    def end_open(self, now: float, slug: str, status: int, *, asks: bool) -> None:
        """Its request is over without a definite answer; looks may have been waited for since it ended."""
        self.state = OutcomeState.OPEN if asks else OutcomeState.UNKNOWN
        self.ended_at = self.ended_at or now
        self.slug = slug
        self.status = status

    def __repr__(self) -> str:
        return f"OpenOutcome({self.id}, {self.state})"


def new_owner() -> str:
    """A name for a process: 16 characters, with which the ids of its creates begin."""
    return f"{random.getrandbits(64):016x}"  # no secret, as the id of a request


def new_outcome(
    intent: RepeatIntent, subject: CreateSubject, now: float, seconds_left: float, owner: str
) -> OpenOutcome:
    """A create that is about to be sent by the process that is named `owner`."""
    id_ = f"{owner}{random.getrandbits(64):016x}"
    return OpenOutcome(id_, intent.scope, subject, intent.seconds, now, now + seconds_left)


class Comparison(NamedTuple):
    """Which of the SIDs of a list no exchange owns, and how many other creates with this To are open."""

    unowned: tuple[str, ...]
    others: int


class OpenOutcomes(Protocol):
    """Of this process, or of all replicas. Methods raise `StoreUnavailable` if a store is needed and silent.

    Who has a lease keeps it by `keep`, at least every `LEASE_SECONDS / 3`.
    """

    def now(self) -> float:
        """The time that all replicas share, in seconds since the epoch."""
        ...

    async def take_over(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """Up to `most` outcomes, in flight or open, whose replica is gone: they are this replica's now.

        One that was in flight comes back as OPEN.
        """
        ...

    async def take(self, account: str, id_: str) -> OpenOutcome | None:
        """One outcome, of any state, for a person who wants it resolved. None if another replica has it."""
        ...

    async def keep(self, outcome: OpenOutcome) -> bool:
        """Write what changed (`looks`, `looked_at`, `state`) and renew the lease. False: it is not ours."""
        ...

    async def release(self, outcome: OpenOutcome) -> None:
        """Leave it to another replica: this one drains, or may not ask."""
        ...

    async def resolve(self, outcome: OpenOutcome, state: OutcomeState, *, sid: str = "") -> bool:
        """End it. False if another replica has taken it over or ended it; then nothing is changed.

        FOUND: a repeat gets `sid`, until a caller has it or the seconds are over. ABSENT: the next identical
        request is a new one. UNKNOWN: no replica looks any more; repeats are held as before.
        """
        ...

    async def compare(self, outcome: OpenOutcome, sids: Sequence[str]) -> Comparison:
        """In one step: which of `sids` belong to no exchange, and who else may have made one of them."""
        ...

    async def own(self, account: str, sid: str) -> None:
        """`sid` was created by an exchange that the guard does not watch (a key, `Gateway-Repeat: allow`)."""
        ...

    async def listed(self, accounts: Collection[str], most: int) -> list[OpenOutcome]:
        """Open and unknown ones, oldest first."""
        ...


LEASE_SECONDS = 3.0
"""How long a replica may be silent before others take over what it has not ended.

Short, so that a caller who waits for 20 s learns the outcome of a create whose replica was killed: the second
look, from which absence may follow, comes 15 s after the lease's end.
"""
SID_SECONDS = 7200.0
"""How long the SID of a create is remembered as ours: longer than any outcome is asked about."""
KEPT_SECONDS = 3600.0
"""How long an unresolved outcome is listed, in seconds from its end."""
WAITED_SECONDS = 20.0
"""How long after an attempt's end a repeat waits for what looks show: by then most is known."""
