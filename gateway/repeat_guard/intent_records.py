"""Intents as the store has them: the names of their keys, what is read of one, how one ends. Pure.

Key names are digests: no consumer, account, target or recipient can be read from them.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.http.response import Response
from gateway.http.stored_response import STORED_BYTES, decode_response, encode_response
from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.answer_seal import seal, unseal
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState
from gateway.repeat_guard.outcome_text import write_outcome

SUPERSEDES_MAX = 8
"""How many ids one script ends; a request whose store is away is not entered, and needs no end."""


class SharedIntent(NamedTuple):
    """What the store says of an intent that is not ours: in flight elsewhere, or an outcome to share.

    `response` is None if there was none, or it was not kept; then `slug` says why, as in `RepeatEntry`.
    `is_pursued`: a replica asks Twilio about it, or will take that over in a moment.
    """

    id: str
    in_flight: bool
    response: Response | None = None
    slug: str = ""
    found_sid: str = ""
    is_open: bool = False
    is_pursued: bool = False


class IntentEnd(NamedTuple):
    """How a flight ended. `state` is '' if nothing is to be kept; `asks`: the outcome will be looked at."""

    state: str = ""
    sid: str = ""
    status: int = 0
    slug: str = ""
    response: Response | None = None
    asks: bool = False


class IntentLease:
    """The right to send one create; its id is that of `outcome`.

    `number` counts them in the order in which they were made. `on_lost` is called if another replica has
    begun the same, `on_lapsed` if it could not be renewed in time, `on_written` once the store has its end.
    `is_asked`: a script that enters it may have reached the store; `is_unsure`: one was not answered.
    Unless it is renewed it `ends_at` a time of the loop's clock. `sids` were made by what it supersedes.
    """

    __slots__ = (
        "end",
        "ends_at",
        "identities",
        "intent",
        "is_asked",
        "is_lost",
        "is_queued",
        "is_unsure",
        "is_written",
        "keys",
        "number",
        "on_lapsed",
        "on_lost",
        "on_refused",
        "on_written",
        "outcome",
        "sids",
        "supersedes",
    )

    def __init__(
        self, intent: RepeatIntent, outcome: OpenOutcome, on_lost: Callable[[], None], number: int = 0
    ) -> None:
        self.intent = intent
        self.identities = " ".join(intent.identities)
        self.number = number
        self.outcome = outcome
        self.on_lost = on_lost
        self.on_lapsed: Callable[[], None] = _nothing
        self.on_written: Callable[[], None] = _nothing
        self.on_refused: Callable[[], None] = _nothing
        self.keys = IntentKeys.of(outcome)
        self.supersedes: tuple[str, ...] = ()
        self.sids = ""
        self.end: IntentEnd | None = None
        self.ends_at = 0.0
        self.is_asked = False
        self.is_unsure = False
        self.is_written = False
        self.is_queued = False
        self.is_lost = False

    @property
    def scope(self) -> str:
        """That of its intent."""
        return self.intent.scope

    def let_go(self) -> None:
        """The store has its end. What was to be called holds what holds this: a cycle for each create."""
        self.on_lapsed = self.on_written = self.on_refused = _nothing

    def supersede(self, earlier: "IntentLease") -> None:
        """Whatever ends this one ends `earlier` as well, whose own end the store does not have."""
        made = earlier.end.sid if earlier.end is not None else ""
        self.sids = f"{made} {earlier.sids} {self.sids}".strip()
        ids = (earlier.outcome.id, *earlier.supersedes) if earlier.is_asked else earlier.supersedes
        self.supersedes = tuple(dict.fromkeys((*self.supersedes, *ids)))[:SUPERSEDES_MAX]
        self.is_unsure = self.is_unsure or earlier.is_unsure


class IntentKeys(NamedTuple):
    """Key names, without the store's prefix; `intent_scripts.py` says what they hold."""

    intent: str
    open: str
    leases: str
    kept: str
    released: str
    sids: str
    to: str

    def released_of(self, ids: Sequence[str]) -> tuple[str, ...]:
        """`released` of other ids of this account."""
        base, _, _ = self.released.rpartition(":")
        return tuple(f"{base}:{each}" for each in ids)

    @classmethod
    def of(cls, outcome: OpenOutcome) -> "IntentKeys":
        """Those of one create. Without a To that can be asked for there are neither SIDs nor `to`."""
        subject = outcome.subject
        base, open_, leases, kept, sids = account_keys(subject.account)
        return cls(
            f"{base}:intent:{outcome.scope}",
            open_,
            leases,
            kept,
            f"{base}:released:{outcome.id}",
            sids,
            f"{base}:to:{subject.to_digest}",
        )


@lru_cache(4096)
def account_keys(account: str) -> tuple[str, str, str, str, str]:
    """What the keys of an account begin with, and the names of `open`, `leases`, `kept` and `sids`."""
    base = "repeat:{" + hashlib.sha256(account.encode()).hexdigest()[:24] + "}"
    return base, f"{base}:open", f"{base}:leases", f"{base}:kept", f"{base}:sids"


def read_intent(found: list[Any], secret: bytes) -> SharedIntent:
    """What BEGIN has found; `secret` opens the answer."""
    state, id_ = found[0].decode(), found[1].decode()
    if state == "flight":
        return SharedIntent(id_, in_flight=True)
    slug, sealed, sid = found[3].decode(), found[4], found[5].decode()
    try:
        response = decode_response(unseal(secret, sealed)) if sealed else None
    except ValueError:  # of a release that seals otherwise
        response = None
    is_open = state == OutcomeState.OPEN
    return SharedIntent(id_, False, response, slug, sid, is_open, is_open and found[6] == 1)


def describe_end(lease: IntentLease, end: IntentEnd, lease_ms: int) -> tuple[bytes | str | int, ...]:
    """The arguments of KEEP between the time and the SIDs."""
    answer = b""
    if end.response is not None:
        encoded = encode_response(end.response)
        answer = seal(lease.intent.secret, encoded) if len(encoded) <= STORED_BYTES else b""
    return (
        lease_ms if end.asks else 0,
        round(lease.intent.seconds * 1000),
        write_outcome(lease.outcome),
        end.state,
        end.status,
        end.slug,
        answer,
    )


def _nothing() -> None:
    """Ignore the event."""
