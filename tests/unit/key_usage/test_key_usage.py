"""Keys' first and last use, former keys, callers of shared consumers: with a clock of the test's own."""

import json
import time
from pathlib import Path

import pytest

from gateway.exchange import Exchange
from gateway.identity.authentication import KeyEntry
from gateway.key_usage.former_keys import FormerKey, FormerKeys
from gateway.key_usage.known_key import FORMER_SECONDS, IDLE_SECONDS, MOST_ADDRESSES, KnownKey, parse_known
from gateway.key_usage.usage_file import UsageFile
from gateway.key_usage.usage_table import MOST_CALLERS, MOST_REFUSED, OTHER, CallerName, KeyUsageTable
from tests.support.judging import consumer

NOW = 1_800_000_000.0


def exchange(at: float, address: str = "10.0.0.1", key: str = "0a0a0a0a", former: str = "") -> Exchange:
    made = Exchange(0.0)
    made.consumer, made.former_consumer = ("", former) if former else ("app", "")
    made.consumer_key, made.address, made.ended_at_epoch = key, address, at
    return made


def test_a_key_knows_its_first_and_last_use_and_the_addresses_that_used_it_last() -> None:
    table = KeyUsageTable()
    table.add(exchange(NOW + number, f"10.0.0.{number}") for number in range(20))
    (known,) = table.take().values()
    assert (known.first_used, known.last_used) == (NOW, NOW + 19)
    assert list(known.addresses) == [f"10.0.0.{number}" for number in range(12, 20)]
    assert table.take() == {}


def test_uses_of_one_batch_may_come_in_any_order() -> None:
    table = KeyUsageTable()
    for batch in ((5, 3, 9, 4), (8, 2)):
        table.add(exchange(NOW + number) for number in batch)
    table.add(exchange(NOW + number, "10.0.0.2") for number in (7, 6))
    (known,) = table.take().values()
    assert (known.first_used, known.last_used) == (NOW + 2, NOW + 9)
    assert known.addresses == {"10.0.0.1": NOW + 9, "10.0.0.2": NOW + 7}


def test_without_addresses_none_is_kept() -> None:
    table = KeyUsageTable()
    table.add([exchange(NOW, "")])
    assert table.take()["app", "0a0a0a0a"].addresses == {}


def test_replicas_merge_to_the_first_and_the_last_use_in_any_order() -> None:
    one = KnownKey("app", NOW, NOW + 5, NOW + 2, NOW + 3, {"a": NOW + 3})
    two = KnownKey("app", NOW + 1, NOW + 9, NOW + 1, NOW + 8, {"b": NOW + 8, "a": NOW + 1})
    never = KnownKey("app", NOW + 2, NOW + 2)
    for order in ((one, two, never), (never, two, one), (two, never, one)):
        merged = KnownKey("app", NOW + 3, NOW + 3)
        for each in order:
            merged.merge(each)
        assert merged == KnownKey("app", NOW, NOW + 9, NOW + 1, NOW + 8, {"a": NOW + 3, "b": NOW + 8})


def test_idle_is_counted_from_the_last_use_or_from_the_first_sight() -> None:
    unused = KnownKey("app", NOW, NOW)
    assert (unused.is_idle(NOW + IDLE_SECONDS - 1), unused.is_idle(NOW + IDLE_SECONDS)) == (False, True)
    unused.use(NOW + 10, "")
    assert not unused.is_idle(NOW + IDLE_SECONDS)


def test_what_is_stored_is_read_again_and_unknown_names_are_ignored() -> None:
    known = KnownKey("app", NOW, NOW, NOW, NOW, {"10.0.0.1": NOW})
    assert parse_known(known.as_json() | {"of": "a later release"}) == known


@pytest.mark.parametrize("content", [None, [], {}, {"consumer": 1}, {"consumer": "app", "seen_at": "x"}])
def test_what_cannot_be_read_is_no_key(content: object) -> None:
    assert parse_known(content) is None


def test_many_stored_addresses_are_cut() -> None:
    stored = KnownKey("app", NOW, NOW).as_json() | {
        "addresses": {str(number): number for number in range(50)}
    }
    known = parse_known(stored)
    assert known is not None
    assert len(known.addresses) == MOST_ADDRESSES


def test_a_removed_key_is_known_for_30_days_and_one_that_is_back_is_no_former_key() -> None:
    former = FormerKeys()
    app = KeyEntry(consumer(), None)
    former.configure({"0a": app, "0b": app}, NOW)
    former.configure({"0a": app}, NOW + 1)
    assert (former.find("0a"), former.find("0b"), former.find("0c")) == ("", "app", "")
    former.add({}, {"0a"}, NOW + FORMER_SECONDS)
    assert former.find("0b") == "app"
    former.add({}, {"0a"}, NOW + 1 + FORMER_SECONDS)
    assert former.find("0b") == ""
    former.add({"0a": FormerKey("app", NOW)}, {"0a"}, NOW)
    assert former.find("0a") == ""


def test_c13_many_keys_are_taken_in_with_pauses_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the clock a key and a pass: the data loop runs meanwhile."""
    pauses: list[float] = []
    looks = iter(range(100_000))
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "perf_counter", lambda: next(looks) * 0.0002)
    app = KeyEntry(consumer(), None)
    former = FormerKeys()
    former.configure({f"a{number}": app for number in range(1000)}, NOW)
    former.configure({f"b{number}": app for number in range(1000)}, NOW)
    assert (len(former.by_digest), former.find("a7"), former.find("b7")) == (1000, "app", "")
    assert len(pauses) >= 300


def test_refused_keys_and_callers_are_bounded() -> None:
    table = KeyUsageTable()
    table.add(exchange(NOW, key=f"{number:08x}", former="app") for number in range(MOST_REFUSED + 5))
    assert len(table.refused) == MOST_REFUSED


def test_a_file_keeps_them(tmp_path: Path) -> None:
    file = UsageFile(tmp_path / "keys.json")
    assert file.read() == {}
    known = {"0a" * 32: KnownKey("app", NOW, NOW, NOW, NOW, {"10.0.0.1": NOW})}
    file.write(file.dump(known))
    assert file.read() == known
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_text(json.dumps({"keys": []}))
    with pytest.raises(ValueError, match="move it away"):
        file.read()


def test_callers_beyond_the_bound_are_others() -> None:
    table = KeyUsageTable()
    sent = [exchange(NOW, f"10.0.{number}.1") for number in range(MOST_CALLERS + 7)]
    for each in sent:
        table._add_caller(each)
    callers = table.callers["app"]
    assert len(callers) == MOST_CALLERS + 1
    assert callers[CallerName(OTHER, OTHER)].requests == 7
