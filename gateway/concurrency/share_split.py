"""How replicas that share a store divide the learned limit of one account (`docs/design.md` 4.6). Pure.

Each replica publishes a `Report` at the start of every round of wall-clock time. Once the others' reports are
there, it splits them: all replicas see the same numbers, so the shares add up to the learned total without a
coordinator. Changes since the report was written are kept: `limit + split_limit(…) - reported`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROUND_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.1
"""From publishing to splitting: longer than the clock difference plus the store's response time."""
STALE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """One replica's limit, permits in use and demand for one account, and the age of these numbers."""

    replica: str
    limit: int
    in_flight: int
    demand: int
    """In flight and waiting."""
    age: float = 0.0
    """Seconds since it was written."""


def split_limit(reports: Sequence[Report], own: str) -> int:
    """The limit of replica `own`: its share of the sum of limits, in proportion to demand and at least 1.

    All shares add up to the sum, unless that is less than one each. Every replica keeps its limit while there
    is no demand, and while all are less than one permit away from their share, because a permit that moves is
    briefly used by both. Reports older than `STALE_SECONDS` do not count: their replica is gone. Raises
    `LookupError` if there is no report of `own`.
    """
    mine = next((report for report in reports if report.replica == own), None)
    if mine is None:
        raise LookupError(f"no report of {own}")
    present = [each for each in reports if each.age <= STALE_SECONDS or each is mine]
    total = sum(each.limit for each in present)
    wanted = sum(each.demand for each in present)
    spare = total - len(present)  # one each is set aside first
    if not wanted:
        return mine.limit
    if spare <= 0:
        return 1
    if all(
        each.limit > 0 and abs((each.limit - 1) * wanted - spare * each.demand) < wanted for each in present
    ):
        return mine.limit
    # Whole permits by largest remainder, in integers, so that every replica computes the same numbers.
    quotas = {each.replica: divmod(spare * each.demand, wanted) for each in present}
    left = spare - sum(whole for whole, _ in quotas.values())
    by_remainder = sorted(quotas, key=lambda replica: (-quotas[replica][1], replica))
    return 1 + quotas[own][0] + (own in by_remainder[:left])
