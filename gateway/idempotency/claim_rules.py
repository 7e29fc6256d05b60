"""The rules of an Idempotency-Key (`docs/design.md` 4.7, ADR 6): what a claim permits, given its record.

Pure: no await, no clock, no store. Records are kept by `memory_records.py` and `redis_records.py`; which
request waits for which is decided in `keyed_requests.py`.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from gateway.consumers.consumer import are_different
from gateway.errors import Refusal
from gateway.http.response import Response
from gateway.http.stored_response import STORED_BYTES, decode_response, encode_response
from gateway.policy.idempotency_key import Claim

_NOT_PROCESSED: Final = frozenset({401, 403, 408, 429})
"""Twilio did nothing; the same key may be used once the reason is gone (`docs/design.md` 4.7)."""
_REPLAYED: Final = (b"Idempotent-Replayed", b"true")


class ClaimState(StrEnum):
    """The state of a claim."""

    FLIGHT = "flight"  # it is being sent
    KEPT = "kept"  # processed, and the answer is kept
    SPENT = "spent"  # processed, but the answer is not kept
    UNKNOWN = "unknown"  # sent, and its outcome is unknown


class IdempotencyEvent(StrEnum):
    """What happened to a request with an Idempotency-Key; the last six are slugs of refusals."""

    SENT = "sent"
    WAITED = "waited"
    REPLAYED = "replayed"
    FORGOTTEN = "forgotten"
    STORE_AWAY = "store_away"
    STORE_SLOW = "store_slow"
    SECOND_HOLDER = "second_holder"
    CONFLICT = "idempotency_conflict"
    FULL = "idempotency_full"
    IN_FLIGHT = "idempotency_in_flight"
    NOT_KEPT = "idempotency_not_kept"
    UNKNOWN = "idempotency_unknown"
    STORE_UNAVAILABLE = "store_unavailable"


class Record(NamedTuple):
    """The record of a claim.

    `leased` is False for a flight whose holder is gone. `fingerprint` is '' while it is not certain that the
    request will be sent at all. It is of version 2 ('2:…'), or of version 1 in records of the previous
    release, which have no `identities` either.
    """

    state: ClaimState
    fingerprint: str
    status: int = 0
    answer: bytes = b""
    leased: bool = True
    identities: tuple[str, ...] = ()

    def __repr__(self) -> str:  # an answer contains a message
        return f"Record({self.state}, {self.status})"


class Begin(StrEnum):
    """What a request with a key may do."""

    SEND = "send"
    WAIT = "wait"
    REPLAY = "replay"
    CONFLICT = "conflict"
    SPENT = "spent"
    UNKNOWN = "unknown"


def is_foreign(record: Record, claim: Claim) -> bool:
    """Whether a record belongs to another consumer that had the same name: the two share no identity."""
    return are_different(record.identities, claim.identities)


def decide_begin(record: Record | None, claim: Claim) -> Begin:
    """Decide what a keyed request may do, given the record of its key. Only SEND reaches Twilio."""
    if record is None:
        return Begin.SEND
    if is_foreign(record, claim):
        is_active = record.state is ClaimState.FLIGHT and record.leased
        return Begin.WAIT if is_active else Begin.SEND
    if not record.fingerprint:
        return Begin.WAIT
    if record.fingerprint not in (claim.fingerprint, claim.fingerprint_v1):
        return Begin.CONFLICT
    match record.state:
        case ClaimState.FLIGHT:
            return Begin.WAIT if record.leased else Begin.UNKNOWN
        case ClaimState.KEPT:
            return Begin.REPLAY
        case ClaimState.SPENT:
            return Begin.SPENT
        case ClaimState.UNKNOWN:
            return Begin.UNKNOWN


def record_of(answer: Response, claim: Claim) -> Record | None:
    """The record of Twilio's answer, or None if the next request with this key may be sent.

    A 5xx may follow a processed request (ADR 3), so the outcome is unknown. A 3xx is kept like a
    2xx: sending again is never safer than a replay.
    """
    status = answer.status
    if status in _NOT_PROCESSED:
        return None
    if status >= 500:
        return Record(ClaimState.UNKNOWN, claim.fingerprint, status, identities=claim.identities)
    if not claim.conceals and answer.rest is None:
        encoded = encode_response(answer)
        if len(encoded) <= STORED_BYTES:
            return Record(ClaimState.KEPT, claim.fingerprint, status, encoded, identities=claim.identities)
    return Record(ClaimState.SPENT, claim.fingerprint, status, identities=claim.identities)


def decode_answer(data: bytes) -> Response:
    """The kept answer, marked as a replay. Raises `ValueError` if it cannot be read."""
    answer = decode_response(data)
    kept = tuple(field for field in answer.fields if field[0].lower() != b"idempotent-replayed")
    return Response(answer.status, answer.reason, (*kept, _REPLAYED), answer.body, None)


def make_refusal(begin: Begin, record: Record) -> Refusal:
    """The refusal of a request that may neither be sent nor be answered from the record."""
    if begin is Begin.CONFLICT:
        return Refusal(
            "idempotency_conflict",
            "This Idempotency-Key was used with another body or Content-Type; new requests need new keys.",
        )
    if begin is Begin.SPENT:
        return Refusal(
            "idempotency_not_kept",
            f"This request was processed before (Twilio answered {record.status}), but that response was not "
            "stored. Nothing was sent again: look the result up.",
            headers=(("Gateway-Outcome", "done"),),
        )
    return Refusal(
        "idempotency_unknown",
        "The first request with this Idempotency-Key was sent, but its outcome is unknown. "
        "Nothing was sent again: check whether it was processed, and use a new key if it was not.",
        headers=(("Gateway-Outcome", "unknown"),),
    )


def in_flight() -> Refusal:
    """The refusal of a duplicate whose deadline passed while the first was still in flight."""
    return Refusal(
        "idempotency_in_flight",
        "The first request with this Idempotency-Key has no answer yet; retry with the same key.",
        headers=(("Retry-After", "1"),),
    )


def store_unavailable() -> Refusal:
    """The refusal of a request that cannot be claimed in the shared store."""
    return Refusal(
        "store_unavailable",
        "Keyed requests need the shared store, which is unavailable; nothing was sent. Try again.",
        headers=(("Retry-After", "1"),),
    )
