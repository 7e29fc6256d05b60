"""An open outcome as text in the store, and back. What is in memory only is left out. Pure."""

from typing import Any

import orjson

from gateway.policy.repeat_intent import CreateSubject
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState

_VERSION = 1
_WRITTEN = ("seconds", "started_at", "ends_by", "ended_at", "slug", "status", "looks", "looked_at")
_SUBJECT = tuple(name for name in CreateSubject._fields if name not in ("to", "sender"))


def write_outcome(outcome: OpenOutcome) -> bytes:
    """JSON, without the id."""
    subject = outcome.subject
    return orjson.dumps(
        {
            "version": _VERSION,
            "scope": outcome.scope,
            "state": outcome.state,
            **{name: getattr(outcome, name) for name in _WRITTEN},
            "subject": {name: value for name in _SUBJECT if (value := getattr(subject, name))},
        }
    )


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
        state=OutcomeState(found["state"]),
    )
    if outcome.state is OutcomeState.IN_FLIGHT:
        outcome.state = OutcomeState.OPEN
        outcome.ended_at = lease_ends_at
        outcome.slug = "replica_lost"
    return outcome
