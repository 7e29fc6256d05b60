"""What a stop covers, how it is read, and that a file of stops survives."""

import json
from pathlib import Path

import pytest

from gateway.errors import Refusal
from gateway.stops.stop_file import StopFile
from gateway.stops.stop_table import Stop, StopTable, parse_stops, read_stop


def table(*stops: tuple[str, str]) -> StopTable:
    made = StopTable()
    found = [Stop(consumer, prefix, 0.0, "") for consumer, prefix in stops]
    made.replace({stop.subject: stop for stop in found})
    return made


def is_stopped(made: StopTable, consumer: str, *destinations: str) -> bool:
    try:
        made.require_started(consumer, lambda: destinations)
    except Refusal as refusal:
        return refusal.slug == "stopped"
    return False


@pytest.mark.parametrize(
    ("stops", "consumer", "destination", "stopped"),
    [
        ([("billing", "")], "billing", "882123", True),
        ([("billing", "")], "bill", "882123", False),
        ([("all", "")], "anyone", "1555", True),
        ([("all", "882")], "anyone", "8821234", True),
        ([("all", "882")], "anyone", "1882", False),
        ([("billing", "882")], "billing", "8821234", True),
        ([("billing", "882")], "other", "8821234", False),
        ([("billing", "882"), ("other", "")], "billing", "1555", False),
        ([("all", "882"), ("all", "44")], "anyone", "4420", True),
        ([("all", "882")], "anyone", "client:882", False),
    ],
)
def test_what_is_stopped(
    stops: list[tuple[str, str]], consumer: str, destination: str, stopped: bool
) -> None:
    assert is_stopped(table(*stops), consumer, destination) is stopped


def test_one_stopped_recipient_among_several_stops_the_request() -> None:
    assert is_stopped(table(("all", "882")), "a", "1555", "8821")


def test_recipients_are_looked_for_only_while_a_prefix_is_stopped() -> None:
    def never() -> tuple[str, ...]:
        raise AssertionError("the body was read again for nothing")

    table(("other", ""), ("other", "44")).require_started("billing", never)


@pytest.mark.parametrize(
    ("values", "subject"),
    [
        ({"consumer": "billing"}, "billing|"),
        ({"consumer": "all", "prefix": "+882"}, "all|882"),
        ({"consumer": "all", "prefix": "882"}, "all|882"),
        ({"consumer": "all", "prefix": None}, "all|"),
    ],
)
def test_what_can_be_stopped(values: dict[str, object], subject: str) -> None:
    assert read_stop(values, 1.0, "x").subject == subject


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"consumer": ""},
        {"consumer": "a b"},
        {"consumer": "a|"},
        {"consumer": 1},
        {"consumer": "a", "prefix": "x"},
        {"consumer": "a", "prefix": "++1"},
        {"consumer": "a", "prefix": "1" * 16},
        {"consumer": "a", "prefix": 882},
    ],
)
def test_what_cannot(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"consumer is|prefix is"):
        read_stop(values, 1.0, "x")


def test_a_later_releases_stops_are_skipped() -> None:
    kept = [{"consumer": "a", "at": 1}, {"consumer": {"new": 1}}, "text", {"consumer": "b", "later": True}]
    assert list(parse_stops(kept)) == ["a|", "b|"]


def test_a_file_of_stops(tmp_path: Path) -> None:
    file = StopFile(tmp_path / "stops.json")
    assert file.read() == {}
    stops = parse_stops([{"consumer": "a", "prefix": "+882", "at": 1.5, "by": "10.0.0.1"}])
    file.write(stops)
    assert file.read() == stops
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["stops.json"]


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"stops": {}}), "{"])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "stops.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r".+"):
        StopFile(path).read()
