"""The scripts of creates that are like no other, as nearly all are, packed but for what differs. Pure.

Only its name, its id and its times differ from those of the last create of the same consumer and route, so
that the rest is described, named and packed once.
"""

import secrets
from collections.abc import Callable
from typing import Final

from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.redis.command_bytes import Argument, CallForm
from gateway.redis.script import Script
from gateway.repeat_guard.intent_records import IntentKeys
from gateway.repeat_guard.intent_scripts import BEGIN, FORGET
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.outcome_text import write_outcome

Pack = Callable[[Script, tuple[str, ...], tuple[Argument, ...]], bytes]
"""Packs a call of a script with its keys and arguments."""

_FORMS_MAX: Final = 4096
# Stand-ins: by chance, so that no name that is configured holds one.
_SCOPE: Final = secrets.token_hex(32)
_ID: Final = secrets.token_hex(16)
_NOW: Final = str(10**13 + secrets.randbelow(10**13))
_STARTED: Final = str(10**13 + secrets.randbelow(10**13))
_ENDS: Final = str(10**13 + secrets.randbelow(10**13))
_PLACES: Final = tuple(each.encode() for each in (_SCOPE, _ID, _NOW, _STARTED, _ENDS))


class IntentCommands:
    """BEGIN and FORGET of the plain creates of one consumer and route. Times are epoch seconds."""

    __slots__ = ("_begin", "_forget")

    def __init__(
        self, pack: Pack, subject: CreateSubject, seconds: float, identities: str, lease_ms: int
    ) -> None:
        outcome = OpenOutcome(_ID, _SCOPE, subject, seconds, 1.0, 2.0)
        keys = IntentKeys.of(outcome)
        text = write_outcome(outcome)
        for name, value in (("started_at", f"1.0:{_STARTED}"), ("ends_by", f"2.0:{_ENDS}")):
            before, place = value.split(":")  # a number of milliseconds, as one of seconds
            text = text.replace(f'"{name}":{before}'.encode(), f'"{name}":{place}e-3'.encode(), 1)
        names = (keys.intent, keys.open, keys.leases, keys.released)
        entered = (_NOW, lease_ms, round(seconds * 1000), text, _ID, identities)
        self._begin = CallForm(pack(BEGIN, names, entered), _PLACES)
        names = (keys.intent, keys.open, keys.leases, keys.kept)
        self._forget = CallForm(pack(FORGET, names, (_NOW, "", _ID)), _PLACES)

    def begin(self, outcome: OpenOutcome, now: float) -> bytes:
        """BEGIN of this create. Raises `ValueError` for times after the year 5000."""
        scope, id_ = outcome.scope.encode(), outcome.id.encode()
        # What is written began a little earlier, and ends later, if at all.
        started, ends = _milliseconds(outcome.started_at), _milliseconds(outcome.ends_by + 0.001)
        asked = started if now - outcome.started_at < 0.001 else _milliseconds(now)
        return self._begin.fill((scope, id_, asked, scope, started, ends, id_))

    def forget(self, outcome: OpenOutcome, now: float) -> bytes:
        """FORGET of this create."""
        return self._forget.fill((outcome.scope.encode(), _milliseconds(now), outcome.id.encode()))


class KnownCommands:
    """Those of all consumers and routes, `most` at a time. `pack` adds what the store's keys begin with."""

    def __init__(self, pack: Pack, lease_ms: int, most: int = _FORMS_MAX) -> None:
        self._most = most
        self._pack = pack
        self._lease_ms = lease_ms
        self._known: dict[tuple[CreateSubject, float, str], IntentCommands] = {}

    def find(self, intent: RepeatIntent, subject: CreateSubject, identities: str) -> IntentCommands | None:
        """None for a create that Twilio can be asked about: what is asked for is its own."""
        if subject.to_digest or len(intent.scope) != len(_SCOPE):
            return None
        key = (subject, intent.seconds, identities)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self._most:  # of former configurations
                self._known.clear()
            found = IntentCommands(self._pack, subject, intent.seconds, identities, self._lease_ms)
            self._known[key] = found
        return found


def _milliseconds(seconds: float) -> bytes:
    """Of one length until the year 5138: Lua and JSON take spaces before a number."""
    return b"%14d" % int(seconds * 1000)
