"""What a look asks: the lists of one recipient, and the resource that was found."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.outcome_resolution.look_requests import is_own_page, list_targets, resource_target
from gateway.policy.comparable_fields import ListFilter, SubjectKind

ACCOUNT = "AC" + "0" * 32
TO, SENDER = "+15005550006", "+15005550001"
MESSAGE, CALL = SubjectKind.MESSAGE, SubjectKind.CALL
MIDNIGHT = 1_700_006_400.0  # 2023-11-15T00:00:00Z
BASE = f"/2010-04-01/Accounts/{ACCOUNT}"


def queries(lookup: ListFilter, *, wide: bool, since: float = MIDNIGHT) -> list[dict[str, str]]:
    targets = list_targets(ACCOUNT, lookup, since, wide=wide)
    assert {urlsplit(each.target).path for each in targets} == {f"{BASE}/{lookup.kind.capitalize()}.json"}
    found = [dict(parse_qsl(urlsplit(each.target).query)) for each in targets]
    assert [each["To"] == lookup.to for each in found] == [each.exact for each in targets]
    assert lookup.to not in repr(targets)
    return found


def test_messages_are_listed_by_their_recipient_alone() -> None:
    lookup = ListFilter(MESSAGE, TO)
    assert queries(lookup, wide=False) == [{"To": TO, "PageSize": "50"}]
    assert queries(lookup, wide=True)[1] == {"To": "+1500555XXXX", "PageSize": "50"}


def test_calls_are_listed_by_both_ends_and_the_day() -> None:
    lookup = ListFilter(CALL, "sip:a&b@c.example", SENDER)
    narrow, wider, hidden = queries(lookup, wide=True, since=MIDNIGHT - 1)
    assert narrow == {"To": "sip:a&b@c.example", "From": SENDER, "StartTime>": "2023-11-14", "PageSize": "50"}
    assert wider == {"To": "sip:a&b@c.example", "PageSize": "50"}
    assert hidden == {"To": "sip:a&b@c.exaXXXX", "PageSize": "50"}
    assert queries(ListFilter(CALL, TO), wide=False) == [
        {"To": TO, "StartTime>": "2023-11-15", "PageSize": "50"}
    ]


@pytest.mark.parametrize(
    ("to", "other"),
    [
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+5215512345678"),
        ("whatsapp:+5491123456789", "whatsapp:+541123456789"),
        ("+541123456789", "+5491123456789"),
        ("+5511912345678", "+551112345678"),
        ("+551112345678", "+5511912345678"),
    ],
)
@pytest.mark.parametrize("kind", [MESSAGE, CALL])
def test_a_wide_look_reads_the_list_of_the_other_spelling(kind: SubjectKind, to: str, other: str) -> None:
    assert queries(ListFilter(kind, to), wide=True)[-1] == {"To": other, "PageSize": "50"}
    assert [each["To"] for each in queries(ListFilter(kind, to), wide=False)] == [to]


@pytest.mark.parametrize("to", [TO, "+52155123456", "+5511812345678", "sip:5215512345678@a.example"])
def test_nearly_all_numbers_have_one_spelling(to: str) -> None:
    assert [each["To"] for each in queries(ListFilter(MESSAGE, to), wide=True)][2:] == []


@pytest.mark.parametrize("suffix", [".json", ".xml", ".csv", ""])
def test_what_is_found_is_fetched_in_the_caller_s_format(suffix: str) -> None:
    target = f"{BASE}/Messages{suffix}?x=.json"
    assert resource_target(ACCOUNT, MESSAGE, "SM1", target) == f"{BASE}/Messages/SM1{suffix}"


@pytest.mark.parametrize(
    ("target", "own"),
    [
        (f"{BASE}/Messages.json?To=%2B1&Page=1", True),
        (f"{BASE}/Calls.json?Page=1", False),
        (f"{BASE}/Messages.json", False),
        ("https://a.example/2010-04-01/Accounts", False),
        (f"{BASE}/Messages.json?Page=1 HTTP/1.1", False),
        (f"{BASE}/Messages.json?Page=\r\nHost: a", False),
        (f"{BASE}/Messages.json?Page=é", False),
    ],
)
def test_only_links_within_the_list_are_followed(target: str, own: bool) -> None:
    assert is_own_page(target, ACCOUNT, MESSAGE) is own
