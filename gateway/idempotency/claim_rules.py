"""What an Idempotency-Key means (design 4.7, ADR 6): what is claimed, and what follows from a record.

Pure: no await, no clock, no store. Where records are kept is `idempotency_memory.py` and
`idempotency_redis.py`; who waits for whom is `idempotency.py`.
"""

from enum import StrEnum
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.http.response import Response
from gateway.policy.idempotency_key import Claim

ANSWER_BYTES = 80 * 1024
"""The most that is kept of one answer, head included. What is streamed (over 64 KiB) never is."""

_NOT_PROCESSED = frozenset({401, 403, 408, 429})
"""Twilio did nothing; the same key may be used once the reason is gone (design 4.7)."""
_REPLAYED = (b"Idempotent-Replayed", b"true")


class ClaimState(StrEnum):
    """What is known of a claim."""

    FLIGHT = "flight"  # somebody is sending it
    KEPT = "kept"  # done, and the answer is there
    SPENT = "spent"  # done, and the answer is not
    UNKNOWN = "unknown"  # sent, and nobody can tell what became of it


class IdempotencyEvent(StrEnum):
    """What happened to a request with an Idempotency-Key; the last six are slugs of refusals."""

    SENT = "sent"
    WAITED = "waited"
    REPLAYED = "replayed"
    FORGOTTEN = "forgotten"
    STORE_AWAY = "store_away"
    CONFLICT = "idempotency_conflict"
    FULL = "idempotency_full"
    IN_FLIGHT = "idempotency_in_flight"
    NOT_KEPT = "idempotency_not_kept"
    UNKNOWN = "idempotency_unknown"
    STORE_UNAVAILABLE = "store_unavailable"


class Record(NamedTuple):
    """A claim's record. `leased` is False for a flight whose holder is gone; `fingerprint` is '' while it is
    not certain that there will be a flight at all."""

    state: ClaimState
    fingerprint: str
    status: int = 0
    answer: bytes = b""
    leased: bool = True

    def __repr__(self) -> str:  # an answer holds somebody's message
        return f"Record({self.state}, {self.status})"


class Begin(StrEnum):
    """What a request with a key may do."""

    SEND = "send"
    WAIT = "wait"
    REPLAY = "replay"
    CONFLICT = "conflict"
    SPENT = "spent"
    UNKNOWN = "unknown"


def decide_begin(record: Record | None, fingerprint: str) -> Begin:
    """What a request may do in the light of the record. Only SEND ever leads to Twilio."""
    if record is None:
        return Begin.SEND
    if not record.fingerprint:
        return Begin.WAIT
    if record.fingerprint != fingerprint:
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


def record_of(answer: Response, claim: Claim, *, releases_503: bool) -> Record | None:
    """What to remember of an answer of Twilio's; None lets the next request with this key be sent.

    Any 5xx may come after the deed (ADR 3), so it leaves the outcome unknown; `releases_503` is for those who
    have 503s retried. A 3xx is kept like a 2xx: to send again is never safer than to repeat the answer.
    """
    status = answer.status
    if status in _NOT_PROCESSED or (status == 503 and releases_503):
        return None
    if status >= 500:
        return Record(ClaimState.UNKNOWN, claim.fingerprint, status)
    if not claim.conceals and answer.rest is None:
        encoded = encode_answer(answer)
        if len(encoded) <= ANSWER_BYTES:
            return Record(ClaimState.KEPT, claim.fingerprint, status, encoded)
    return Record(ClaimState.SPENT, claim.fingerprint, status)


def encode_answer(answer: Response) -> bytes:
    """An answer as it would stand on the wire."""
    head = b"%d %b\r\n" % (answer.status, answer.reason.encode("latin-1", "replace"))
    fields = b"".join(b"%b: %b\r\n" % field for field in answer.fields)
    return b"%b%b\r\n%b" % (head, fields, answer.body)


def decode_answer(data: bytes) -> Response:
    """The answer again, marked as a replay. Raises `ValueError` if it cannot be read."""
    head, found, body = data.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    status, _, reason = line.partition(b" ")
    fields = [(name, value) for name, _, value in (field.partition(b": ") for field in rest)]
    if not found or not all(name for name, _ in fields):
        raise ValueError("not a kept answer")
    kept = tuple(field for field in fields if field[0].lower() != b"idempotent-replayed")
    return Response(int(status), reason.decode("latin-1"), (*kept, _REPLAYED), body, None)


def make_refusal(begin: Begin, record: Record) -> Refusal:
    """Our no to a request that may neither be sent nor be given an answer."""
    if begin is Begin.CONFLICT:
        return Refusal(
            "idempotency_conflict",
            "This Idempotency-Key came with another body or Content-Type before; new requests need new keys.",
        )
    if begin is Begin.SPENT:
        return Refusal(
            "idempotency_not_kept",
            f"This was done before and Twilio answered {record.status}; that answer was not kept. "
            "Nothing was sent again: look the result up.",
            headers=(("Gateway-Outcome", "done"),),
        )
    return Refusal(
        "idempotency_unknown",
        "The first request with this Idempotency-Key was sent, and nobody can tell what became of it. "
        "Nothing was sent again: look whether it was done, and use a new key if it was not.",
        headers=(("Gateway-Outcome", "unknown"),),
    )


def in_flight() -> Refusal:
    """Our no to a duplicate whose deadline passed while the first was still on its way."""
    return Refusal(
        "idempotency_in_flight",
        "The first request with this Idempotency-Key has no answer yet; ask again with the same key.",
        headers=(("Retry-After", "1"),),
    )


def store_unavailable() -> Refusal:
    """Our no where `on_store_failure: refuse` forbids to go on with this process's records alone."""
    return Refusal(
        "store_unavailable",
        "Keyed requests need the shared store, which is away; nothing was sent. Try again.",
        headers=(("Retry-After", "1"),),
    )
