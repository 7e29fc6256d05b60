"""Other identical requests: waiting for one of this process, and what follows once its answer, or that of one
elsewhere, is shared.
"""

import asyncio

from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.guard_parts import GuardParts
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import IntentEnd, SharedIntent
from gateway.repeat_guard.repeat_rules import RepeatEnding, RepeatEvent, RepeatEvents, in_flight
from gateway.repeat_guard.repeat_table import RepeatEntry


async def await_others(
    parts: GuardParts, intent: RepeatIntent, entry: RepeatEntry, deadline: float, events: RepeatEvents
) -> RepeatEntry | None:
    """Wait until nothing like it is in flight: None if it may be sent, else what has an outcome to share.

    Raises `Refusal` (409) if `deadline`, by the loop's clock, passes before.
    """
    other: RepeatEntry | None = entry
    while other is not None:
        until = other.waits_until(deadline, parts.now())
        if other.ending is not None and until <= asyncio.get_running_loop().time():
            return other
        events.count_once(RepeatEvent.WAITED)
        parts.table.refresh(intent.scope, other)  # the caller may give up before it is answered
        if not await other.changed(until) and other.ending is None:
            events.count(RepeatEvent.IN_FLIGHT)
            raise in_flight()
        if other.is_forgotten or other.is_of_another(intent):
            other = parts.table.find_for(intent)
    return None


def end_shared(parts: GuardParts, intent: RepeatIntent, entry: RepeatEntry, *, delivered: bool) -> None:
    """A caller was given the outcome of another request; whether it was `delivered` to it."""
    table, shared, lease = parts.table, parts.shared, entry.lease
    if entry.ending is RepeatEnding.OPEN:
        table.refresh(intent.scope, entry)
    elif delivered:
        if lease is not None and lease.end is not None and shared is not None:
            shared.end(lease, IntentEnd(sid=lease.end.sid))  # before who waits asks the store
        table.forget(intent.scope, entry)
    else:
        table.keep(intent.scope, entry, RepeatEnding.DEFINITE)
        if lease is not None and lease.is_written:
            table.written(intent.scope, entry)


def end_elsewhere(
    parts: GuardParts, lease: IntentLease | None, found: SharedIntent, *, delivered: bool
) -> None:
    """The same of what the store had of a request: by another replica, or by this one."""
    if not found.is_open and parts.shared is not None and lease is not None:
        parts.shared.taken(lease, found, delivered=delivered)
