"""Filters of the API: read strictly, told what is accepted, and never quoted."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from gateway.admin.query_parameters import PAGE, PageQuery, read_filter, read_page
from gateway.observe.live.recent_exchanges import Filter


def query(text: str) -> MultiDict[str]:
    return MultiDict(parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Filter()),
        ("consumer=billing", Filter(consumer="billing")),
        ("consumer=", Filter()),
        ("status=4XX", Filter(status="4xx")),
        ("route=/Messages/{Sid}", Filter(route="/Messages/{Sid}")),
        ("code=21211&slug=rate_limited", Filter(code=21211, slug="rate_limited")),
        ("account=AC00112233445566778899aabbccddeeff", Filter(account="AC0011…eeff")),
        ("account=AC0011%E2%80%A6eeff", Filter(account="AC0011…eeff")),
        ("key=1a2b3c4d&sdk=twilio-python/9.8.1", Filter(key="1a2b3c4d", sdk="twilio-python/9.8.1")),
        ("sid=AC00112233445566778899aabbccddeeff", Filter(sid="AC0011…eeff")),
        ("since=1790000000.5", Filter(since=1790000000.5)),
        ("until=1790000000.5", Filter(until=1790000000.5)),
        ("limit=5&status=500", Filter(status="500")),
    ],
)
def test_filters(text: str, expected: Filter) -> None:
    assert read_filter(query(text), PAGE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", PageQuery(100, None, None)),
        ("limit=&after=", PageQuery(100, None, None)),
        ("limit=2000&after=7&before=9", PageQuery(2000, 7, 9)),
    ],
)
def test_pages(text: str, expected: PageQuery) -> None:
    assert read_page(query(text)) == expected


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=3))
def test_anything_is_read_or_refused_without_a_word_of_it(given: dict[str, str]) -> None:
    """The first name that is not known is what is told of."""
    marked = {f"{name}\u2603": f"{value}\u2603" for name, value in given.items()}
    if not marked:
        return
    with pytest.raises(ValueError, match="known") as caught:
        read_filter(MultiDict(marked), PAGE)
    assert "\u2603" not in str(caught.value)


NUMBERS = ("code", "since", "until")


@given(
    st.sampled_from(
        [
            *("consumer", "route", "status", "request_id", "account", "slug", "code", "key", "sdk", "sid"),
            *("since", "until"),
        ]
    ),
    st.text(),
)
def test_any_value_gives_a_filter_or_a_reason(name: str, value: str) -> None:
    """A filter finds what it says; nothing else is raised."""
    told = ""
    found = None
    try:
        found = read_filter(query(urlencode({name: value.encode("utf-8", "replace")})))
    except ValueError as error:
        told = str(error)
    if found is None:
        assert told.startswith(name) or "consumer, route, request_id, key" in told
    else:
        assert (found == Filter()) is (value == "" or (name in NUMBERS and float(value) == 0))
