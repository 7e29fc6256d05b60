"""What the guarded requests of one process share, and the options by which they are held."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.repeat_table import RepeatTable
from gateway.repeat_guard.shared_intents import SharedIntents


@dataclass(frozen=True, slots=True)
class RepeatGuardOptions:
    """`reports` counts what would have been held, and neither holds nor refuses anything.

    `refuses` is `on_store_failure: refuse`. `shares`: intents are in the store, if there is one.
    """

    reports: bool = False
    max_entries: int = 100_000
    shares: bool = True
    refuses: bool = False

    @property
    def gives_up(self) -> bool:
        """Whether an attempt ends if the store does not hear of it: others may say that it was not done."""
        return self.refuses and not self.reports


@dataclass(slots=True)
class GuardParts:
    """What the requests of one process share. `on_open` is called with each create that ends open.

    The ids of its creates begin with `owner`.
    """

    options: RepeatGuardOptions
    table: RepeatTable
    local: LocalOutcomes
    shared: SharedIntents | None
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    on_open: Callable[[OpenOutcome], None]
    owner: str
