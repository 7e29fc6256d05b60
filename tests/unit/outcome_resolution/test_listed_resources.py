"""Which of a list's resources a create may have made."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from gateway.outcome_resolution.listed_resources import (
    SLACK_SECONDS,
    UnreadablePage,
    attempt_start,
    read_moment,
    read_page,
)
from gateway.policy.comparable_fields import ListFilter, SubjectKind

TO = "+15005550006"
LOOKUP = ListFilter(SubjectKind.MESSAGE, TO)
BEGAN = 1_700_000_000.0


def stamp(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC))


def resource(number: int, created: float = BEGAN, **fields: object) -> dict[str, Any]:
    return {
        "sid": f"SM{number:032x}",
        "date_created": stamp(created),
        "direction": "outbound-api",
        "to": TO,
        "body": "hi",
        **fields,
    }


def page(*resources: object, following: object = None) -> bytes:
    return orjson.dumps({"messages": list(resources), "next_page_uri": following})


def sids(body: bytes) -> list[int]:
    return [int(each.sid[2:], 16) for each in read_page(body, LOOKUP, BEGAN, exact=True).candidates]


def test_only_what_our_api_sent_and_is_young_enough() -> None:
    found = page(
        resource(1, BEGAN + 9),
        resource(2, direction="inbound"),
        resource(3, direction="outbound-reply"),
        resource(4, direction=None),
        resource(5, BEGAN - SLACK_SECONDS),
        resource(6, BEGAN - SLACK_SECONDS - 1),
    )
    assert sids(found) == [1, 5]


def test_the_next_page_is_read_while_resources_are_young() -> None:
    following = "/2010-04-01/Accounts/AC1/Messages.json?Page=1"
    young = page(resource(1), following=following)
    assert read_page(young, LOOKUP, BEGAN, exact=True).next == following
    old = page(resource(1), resource(2, BEGAN - 60, direction="inbound"), following=following)
    assert read_page(old, LOOKUP, BEGAN, exact=True).next == ""
    assert read_page(page(), LOOKUP, BEGAN, exact=True) == ((), "")


def test_a_candidate_says_how_it_was_listed() -> None:
    shown = page(
        resource(1), resource(2, to="+1500555XXXX"), resource(3, to="+15005550007"), resource(4, to=None)
    )
    exact = read_page(shown, LOOKUP, BEGAN, exact=True).candidates
    assert [each.to_matches for each in exact] == [True, True, False, False]
    assert all(each.exact for each in exact)
    assert not read_page(shown, LOOKUP, BEGAN, exact=False).candidates[0].exact
    assert "hi" not in repr(exact)


UNREADABLE = [
    b"",
    b"<TwilioResponse/>",
    b"[]",
    b'{"messages": null}',
    b'{"calls": []}',
    page(1),
    page({}),
    page(resource(1, sid="1")),
    page(resource(1, date_created="yesterday")),
    page(resource(1, date_created="Thu, 30 Jul 2020 20:12:31 -0000")),
    page(resource(1), following=1),
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_from_what_cannot_be_read_nothing_follows(body: bytes) -> None:
    with pytest.raises(UnreadablePage):
        read_page(body, LOOKUP, BEGAN, exact=True)


def test_the_start_of_an_attempt_by_twilio_s_clock() -> None:
    """Ours may be anything."""
    date = b"Tue, 14 Nov 2023 22:13:30 GMT"
    assert attempt_start(date, received_at=130.0, started_at=100.0) == BEGAN + 10 - 30
    with pytest.raises(UnreadablePage):
        attempt_start(b"", 1.0, 0.0)
    assert read_moment("Tue, 14 Nov 2023 23:13:30 +0100") == BEGAN + 10
