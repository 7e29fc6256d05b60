"""The right of this process to send one create while the store hears of it, and how its flight ended."""

from collections.abc import Callable

from gateway.http.stored_response import STORED_BYTES, encode_response
from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.answer_seal import seal
from gateway.repeat_guard.intent_commands import IntentCommands
from gateway.repeat_guard.intent_records import IntentEnd, IntentKeys
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.outcome_text import write_outcome

SUPERSEDES_MAX = 8
"""How many ids one script ends; a request whose store is away is not entered, and needs no end."""


class IntentLease:
    """The right to send one create; its id is that of `outcome`.

    `number` counts them in the order in which they were made. `on_lost` is called if another replica has
    begun the same, `on_lapsed` if it could not be renewed in time, `on_written` once the store has its end.
    `is_asked`: a script that enters it may have reached the store; `is_unsure`: one was not answered.
    Unless it is renewed it `ends_at` a time of the loop's clock. `sids` were made by what it supersedes.
    """

    __slots__ = (
        "_keys",
        "commands",
        "end",
        "ends_at",
        "identities",
        "intent",
        "is_asked",
        "is_lost",
        "is_queued",
        "is_unsure",
        "is_written",
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
        self._keys: IntentKeys | None = None
        self.commands: IntentCommands | None = None
        """What enters and ends it, where it is plain."""
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
    def keys(self) -> IntentKeys:
        """What the store has of it, by name."""
        keys = self._keys
        if keys is None:
            keys = self._keys = IntentKeys.of(self.outcome)
        return keys

    @property
    def scope(self) -> str:
        """That of its intent."""
        return self.intent.scope

    def lose(self, *, is_alarming: bool = True) -> None:
        """The store forgot the intent, and another was entered since. It is alarming if that is another
        replica's: both may have sent. A later one of this process began after this one had ended.
        """
        if not self.is_lost:
            self.is_lost = True
            if is_alarming:
                self.on_lost()

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
        self.commands = None


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
