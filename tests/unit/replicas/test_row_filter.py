"""A filter admits an exchange here and its row of another replica alike, whatever the field."""

from dataclasses import fields
from typing import Any

import pytest

from gateway.exchange import Exchange
from gateway.observe.live.recent_exchanges import Filter, Numbered
from gateway.replicas.row_filter import admits_row, is_row
from tests.unit.observe.exchanges import finished

ONE = finished(
    1000.0,
    request_id="one",
    slug="rate_limited",
    status=429,
    twilio_code=20429,
    account="AC00112233445566778899aabbccddeeff",
    consumer_key="sha256:0011aabb",
    key="SK0011…eeff",
    sdk="twilio-python/9.13.0",
    created_sid="SM1",
    resource_sid="MG1",
)
OTHER = finished(900.0, request_id="other", consumer="", label="/Calls", status=201, sdk="twilio-node/5.0.0")
FILTERS: dict[str, list[Any]] = {
    "consumer": ["app", "(unknown)", "ap"],
    "route": ["mess", "CALL", "x"],
    "status": ["4xx", "429", "2xx", "201"],
    "request_id": ["one", "on"],
    "account": ["AC0011…eeff", "AC0011…0000"],
    "slug": ["rate_limited"],
    "code": [20429, 20430],
    "key": ["sha256:0011aabb", "SK0011…eeff", "sha256:0"],
    "sdk": ["twilio-python", "twilio-python/9.13.0", "twilio-node", "twilio"],
    "sid": ["SM1", "MG1", "SM2"],
    "since": [950.0, 1001.0, 1.0],
    "until": [950.0, 1001.0, 1.0],
}


def test_each_field_is_tried() -> None:
    assert FILTERS.keys() == {each.name for each in fields(Filter)}


@pytest.mark.parametrize("exchange", [ONE, OTHER], ids=["one", "other"])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in FILTERS.items() for value in values]
)
def test_a_row_is_admitted_as_the_exchange_is(exchange: Exchange, name: str, value: Any) -> None:
    wanted = Filter(**{name: value})
    assert admits_row(wanted, Numbered(7, exchange).as_json()) == wanted.admits(exchange)


@pytest.mark.parametrize("name", sorted(FILTERS.keys() - {"since", "until"}))
def test_a_row_of_an_earlier_release_without_a_field_is_not_wanted(name: str) -> None:
    value = FILTERS[name][0]
    assert not admits_row(Filter(**{name: value}), {"seq": 1, "at": 1.0, "replica": "a"})


@pytest.mark.parametrize(
    "content", [None, [], {}, {"seq": "1", "at": 1, "replica": "a"}, {"seq": 1, "at": 1}]
)
def test_what_is_no_row(content: object) -> None:
    assert not is_row(content)
