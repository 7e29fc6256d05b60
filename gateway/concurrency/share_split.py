"""How replicas that share a store split what they have learned of one account's limit (design 4.6). Pure.

Each publishes a `Report` at the begin of every round of wall-clock time and, once the others' have come,
splits that round's reports: as all see the same numbers, the shares add up to the learned total without
anybody deciding. What changed since the report was written is kept: `limit + split_limit(…) - reported`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ROUND_SECONDS = 0.5
SETTLE_SECONDS = 0.1
"""From publishing to splitting: longer than clocks differ and the store takes."""
STALE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """One replica's word on one account: its limit, what it holds and what it wants, and how old that is."""

    replica: str
    limit: int
    in_flight: int
    demand: int
    """In flight and waiting."""
    age: float = 0.0
    """Seconds since it was written."""


def split_limit(reports: Sequence[Report], own: str) -> int:
    """The limit of replica `own`: its share of the sum of limits, in proportion to demand and at least 1.

    The shares of all add up to the sum, unless that is less than one for each. Everybody keeps what it has
    while nobody wants anything, and while all are less than one slot away from their share, for a slot that
    changes hands is used by both for a moment. Reports older than `STALE_SECONDS` do not count, for who wrote
    them has gone. Raises `LookupError` if there is no report of `own`.
    """
    mine = next((report for report in reports if report.replica == own), None)
    if mine is None:
        raise LookupError(f"no report of {own}")
    present = [each for each in reports if each.age <= STALE_SECONDS or each is mine]
    total = sum(each.limit for each in present)
    wanted = sum(each.demand for each in present)
    spare = total - len(present)  # one each is given beforehand
    if not wanted:
        return mine.limit
    if spare <= 0:
        return 1
    if all(
        each.limit > 0 and abs((each.limit - 1) * wanted - spare * each.demand) < wanted for each in present
    ):
        return mine.limit
    # Whole slots by largest remainder, in integers, so that every replica comes to the same numbers.
    quotas = {each.replica: divmod(spare * each.demand, wanted) for each in present}
    left = spare - sum(whole for whole, _ in quotas.values())
    by_remainder = sorted(quotas, key=lambda replica: (-quotas[replica][1], replica))
    return 1 + quotas[own][0] + (own in by_remainder[:left])
