"""Intents as the store has them: the names of their keys, and what is read of one. Pure.

Key names are digests: no consumer, account, target or recipient can be read from them.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.http.response import Response
from gateway.http.stored_response import decode_response
from gateway.repeat_guard.answer_seal import unseal
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState


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
