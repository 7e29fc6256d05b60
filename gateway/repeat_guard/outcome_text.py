"""An open outcome as text in the store, and back. What is in memory only is left out. Pure."""

from functools import lru_cache
from typing import Any

import orjson

from gateway.policy.repeat_intent import CreateSubject
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState

_VERSION = 1
_WRITTEN = ("seconds", "started_at", "ends_by", "ended_at", "slug", "status", "looks", "looked_at")
_SUBJECT = tuple(name for name in CreateSubject._fields if name not in ("to", "sender", "digest_key"))


def write_outcome(outcome: OpenOutcome) -> bytes:
    """JSON, without the id."""
    subject = outcome.subject
    about = _write_subject(subject) if subject.to_digest else _write_common_subject(subject)
    return orjson.dumps(
        {
            "version": _VERSION,
            "scope": outcome.scope,
            "state": outcome.state,
            "seconds": outcome.seconds,
            "started_at": outcome.started_at,
            "ends_by": outcome.ends_by,
            "ended_at": outcome.ended_at,
            "slug": outcome.slug,
            "status": outcome.status,
            "looks": outcome.looks,
            "looked_at": outcome.looked_at,
            "empty_since": outcome.empty_since,
            "seen": outcome.seen,
            "subject": orjson.Fragment(about),
        }
    )


def _write_subject(subject: CreateSubject) -> bytes:
    return orjson.dumps({name: value for name in _SUBJECT if (value := getattr(subject, name))})


_write_common_subject = lru_cache(1024)(_write_subject)
"""Of creates without a recipient in it, a consumer's are all the same."""


def read_outcome(id_: str, lease_ends_at: float, text: bytes) -> OpenOutcome | None:
    """The outcome, None if it is of another version. One that is in flight is taken to be open.

    `lease_ends_at` is when its replica was heard of for the last time, and a little more: it began no attempt
    later than that.
    """
    found: dict[str, Any] = orjson.loads(text)
    if found.get("version") != _VERSION:
        return None
    given = found["subject"]
    empty = CreateSubject("", "", "", "", "")
    outcome = OpenOutcome(
        id=id_,
        scope=found["scope"],
        subject=empty._replace(**{name: given[name] for name in _SUBJECT if name in given}),
        **{name: found[name] for name in _WRITTEN},
        empty_since=found.get("empty_since", 0.0),
        seen=tuple(found.get("seen", ())),
        state=OutcomeState(found["state"]),
    )
    if outcome.state is OutcomeState.IN_FLIGHT:
        outcome.state = OutcomeState.OPEN
        outcome.ended_at = lease_ends_at
        outcome.slug = "replica_lost"
    return outcome
