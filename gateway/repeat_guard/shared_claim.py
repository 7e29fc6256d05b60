"""Entering an intent in the store before the send: a slow store is waited for, and so is another replica."""

import asyncio

from gateway.redis.availability import StoreUnavailable, UnusableKey
from gateway.repeat_guard.guard_parts import GuardParts
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import SharedIntent
from gateway.repeat_guard.repeat_rules import (
    RepeatEnding,
    RepeatEvent,
    RepeatEvents,
    in_flight,
    store_unavailable,
)
from gateway.repeat_guard.repeat_table import RepeatEntry
from gateway.repeat_guard.shared_intents import SharedIntents

_FIRST_POLL_SECONDS = 0.01
_MAX_POLL_SECONDS = 0.1
_ASK_AGAIN_SECONDS = 0.02


async def claim(
    parts: GuardParts,
    shared: SharedIntents,
    lease: IntentLease,
    deadline: float,
    events: RepeatEvents,
    found: SharedIntent | None,
    failure: StoreUnavailable | None,
) -> SharedIntent | RepeatEntry | None:
    """What is known of this intent, None if it is ours to send. Raises `Refusal` (409, 503).

    `found` or `failure` is what the store said first. A question without an answer is asked again until the
    deadline, which is by the loop's clock: the intent may have been entered, and another replica may hold it.
    An open outcome is waited for, too, while Twilio is asked about it. What this process remembers counts
    once the store is unavailable, or has forgotten.
    """
    options, loop = parts.options, asyncio.get_running_loop()
    poll = _FIRST_POLL_SECONDS
    while True:
        pause = _ASK_AGAIN_SECONDS
        if failure is not None:
            is_lost = isinstance(failure, UnusableKey) or not shared.is_available
            if options.reports or (is_lost and not options.refuses):
                events.count(RepeatEvent.STORE_AWAY)
                return parts.table.find_written(lease.intent)
            events.count_once(RepeatEvent.STORE_SLOW)
            if is_lost or deadline - loop.time() <= pause:
                events.count(RepeatEvent.STORE_UNAVAILABLE)
                raise store_unavailable()
        else:
            forgotten = None if found is not None or options.reports else find_forgotten(parts, lease)
            if forgotten is not None:
                return forgotten
            if found is None or not (found.in_flight or found.is_pursued) or options.reports:
                if found is not None and not (found.in_flight or found.is_open or options.reports):
                    shared.take(lease)
                return found
            events.count_once(RepeatEvent.WAITED)
            pause, poll = poll, min(2 * poll, _MAX_POLL_SECONDS)
            if deadline - loop.time() <= pause:
                if found.is_pursued:
                    return found
                events.count(RepeatEvent.IN_FLIGHT)
                raise in_flight()
        await parts.sleep(pause)
        try:
            found, failure = await shared.begin(lease), None
        except StoreUnavailable as error:
            failure = error


def find_forgotten(parts: GuardParts, lease: IntentLease) -> RepeatEntry | None:
    """What this process has told a store that knows nothing of it by now: it was flushed, or had no room.

    Only where Twilio is not asked: there an open outcome has no other end than that of its seconds, which are
    over here before they are in the store.
    """
    known = None if lease.intent.asks else parts.table.find_written(lease.intent)
    return known if known is not None and known.ending is RepeatEnding.OPEN else None
