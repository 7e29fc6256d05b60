"""The page for developers of services has a row for each answer about a create that comes again."""

from pathlib import Path

import pytest

from gateway.errors import Refusal
from gateway.idempotency import claim_rules
from gateway.idempotency.claim_rules import Begin, ClaimState, Record
from gateway.outcome_resolution.asked_send import absent_error
from gateway.repeat_guard import repeat_rules

PAGE = Path(__file__).parents[3] / "docs/at-most-once.md"
RECORD = Record(ClaimState.SPENT, "2:1", 201)
ANSWERS = [
    repeat_rules.shared_error("upstream_lost"),
    repeat_rules.shared_error("upstream_absent"),
    repeat_rules.not_kept(),
    repeat_rules.not_fetched("SM1"),
    repeat_rules.in_flight(),
    repeat_rules.store_unavailable(),
    repeat_rules.guard_full(),
    absent_error(),
    *(claim_rules.make_refusal(each, RECORD) for each in (Begin.CONFLICT, Begin.SPENT, Begin.UNKNOWN)),
    claim_rules.in_flight(),
    claim_rules.store_unavailable(),
]


def is_for(row: list[str], status: int, slug: str, outcome: str) -> bool:
    statuses, slugs, outcomes = row[1:4]
    matches = str(status) in statuses or f"{status // 100}xx" in statuses
    return matches and f"`{slug}`" in slugs and (f"`{outcome}`" in outcomes if outcome else not outcomes)


@pytest.mark.parametrize("error", ANSWERS, ids=lambda error: error.slug)
def test_the_page_has_a_row(error: Refusal) -> None:
    outcome = dict(error.headers).get("Gateway-Outcome", "")
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in PAGE.read_text().splitlines()
        if line[:1] == "|"
    ]
    assert any(is_for(row, error.status, error.slug, outcome) for row in rows if len(row) > 4)
