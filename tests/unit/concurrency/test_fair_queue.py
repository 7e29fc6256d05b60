"""Who is next, and who must go when the queue is full."""

from collections import Counter

import pytest

from gateway.concurrency.fair_queue import WEIGHTS, FairQueue, Waiting
from gateway.consumers.consumer import Priority

HIGH, NORMAL, LOW = Priority


def filled(*groups: tuple[str, Priority, int], most: int = 1_000_000) -> FairQueue[Waiting]:
    """A queue with so many entries of each (consumer, class)."""
    queue = FairQueue[Waiting](most)
    for consumer, priority, entries in groups:
        for _ in range(entries):
            assert queue.push(Waiting(consumer, priority)) is None
    return queue


def popped(queue: FairQueue[Waiting], times: int) -> list[Waiting]:
    entries = [queue.pop() for _ in range(times)]
    assert None not in entries
    return [entry for entry in entries if entry is not None]


def consumers(queue: FairQueue[Waiting], times: int) -> str:
    """The consumers of the next pops, as a word."""
    return "".join(entry.consumer for entry in popped(queue, times))


@pytest.mark.parametrize(
    "present",
    [(HIGH, NORMAL, LOW), (HIGH, NORMAL), (HIGH, LOW), (NORMAL, LOW), (LOW,)],
    ids=lambda present: "+".join(priority.name.lower() for priority in present),
)
def test_classes_share_by_their_weights(present: tuple[Priority, ...]) -> None:
    total = sum(WEIGHTS[priority] for priority in present)
    queue = filled(*((priority.name, priority, 100 * total) for priority in present))
    counted = Counter(entry.priority for entry in popped(queue, 100 * total))
    assert counted == {priority: 100 * WEIGHTS[priority] for priority in present}


def test_low_waits_for_at_most_a_round_of_the_others() -> None:
    queue = filled(("h", HIGH, 500), ("n", NORMAL, 500), ("l", LOW, 20))
    word = consumers(queue, 210)
    gaps = [len(gap) for gap in word.split("l")[1:-1]]
    assert gaps == [20] * len(gaps)
    assert len(gaps) >= 8


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([("a", 3), ("b", 3)], "ababab"),
        ([("a", 5), ("b", 1), ("c", 2)], "abcacaaa"),
        ([("a", 1), ("b", 4)], "abbbb"),
    ],
    ids=["even", "many against few", "few against many"],
)
def test_consumers_of_a_class_take_turns(groups: list[tuple[str, int]], expected: str) -> None:
    queue = filled(*((consumer, NORMAL, entries) for consumer, entries in groups))
    assert consumers(queue, len(expected)) == expected
    assert queue.pop() is None


def test_a_flood_does_not_delay_another_consumer() -> None:
    queue = filled(("flood", NORMAL, 200))
    for _ in range(10):
        queue.push(Waiting("one", NORMAL))
        assert "one" in [entry.consumer for entry in popped(queue, 2)]


def test_a_consumer_that_comes_back_gets_in_line_behind_the_others() -> None:
    queue = filled(("a", NORMAL, 1), ("b", NORMAL, 2), ("c", NORMAL, 2))
    assert consumers(queue, 1) == "a"
    queue.push(Waiting("a", NORMAL))
    assert consumers(queue, 5) == "bcabc"


def test_first_come_first_served_inside_a_consumer() -> None:
    queue = FairQueue[Waiting](10)
    entries = [Waiting("a", NORMAL) for _ in range(5)]
    for entry in entries:
        queue.push(entry)
    queue.remove(entries[2])
    assert popped(queue, 4) == [entries[0], entries[1], entries[3], entries[4]]


def test_the_front_goes_first_in_its_own_order() -> None:
    queue = filled(("h", HIGH, 2))
    front = [Waiting("l", LOW), Waiting("h", HIGH), Waiting("n", NORMAL)]
    for entry in front:
        queue.push_front(entry)
    assert popped(queue, 3) == front
    assert consumers(queue, 2) == "hh"


def test_what_goes_by_the_front_costs_its_class_nothing() -> None:
    queue = filled(("h", HIGH, 40), ("n", NORMAL, 40))
    for _ in range(100):
        queue.push_front(Waiting("n", NORMAL))
    popped(queue, 100)
    assert Counter(consumers(queue, 20)) == {"h": 16, "n": 4}


@pytest.mark.parametrize("away", [HIGH, NORMAL, LOW])
def test_a_class_that_was_away_has_no_credit(away: Priority) -> None:
    present = [priority for priority in Priority if priority is not away]
    queue = filled(*((priority.name, priority, 2000) for priority in present))
    popped(queue, 1000)
    for _ in range(2000):
        queue.push(Waiting(away.name, away))
    counted = Counter(entry.priority for entry in popped(queue, 210))
    assert counted[away] == pytest.approx(10 * WEIGHTS[away], abs=1)


@pytest.mark.parametrize(
    ("groups", "newcomer", "refused"),
    [
        ([("a", NORMAL, 3), ("b", NORMAL, 1)], ("b", NORMAL), "a"),
        ([("a", NORMAL, 3), ("b", NORMAL, 1)], ("a", NORMAL), "a"),
        ([("a", HIGH, 3), ("b", LOW, 1)], ("c", LOW), "a"),
        ([("a", NORMAL, 2), ("b", NORMAL, 2)], ("c", NORMAL), "b"),
        ([("a", LOW, 2), ("b", HIGH, 2)], ("c", HIGH), "a"),
        ([("a", NORMAL, 1), ("b", NORMAL, 1)], ("c", NORMAL), "c"),
    ],
    ids=[
        "the longest, not the newcomer",
        "the newcomer itself",
        "length counts more than class",
        "a tie: whose turn is furthest away",
        "a tie: the lower class",
        "all have one: the newcomer",
    ],
)
def test_when_full_the_newest_of_the_longest_goes(
    groups: list[tuple[str, Priority, int]], newcomer: tuple[str, Priority], refused: str
) -> None:
    most = sum(entries for _, _, entries in groups)
    queue = FairQueue[Waiting](most)
    newest = {}
    for consumer, priority, entries in groups:
        for _ in range(entries):
            newest[consumer] = Waiting(consumer, priority)
            assert queue.push(newest[consumer]) is None
    entry = newest[newcomer[0]] = Waiting(*newcomer)
    assert queue.push(entry) is newest[refused]
    assert not newest[refused].queued
    assert queue.length == most


def test_a_queue_of_none_refuses_all_but_the_front() -> None:
    queue = FairQueue[Waiting](0)
    entry = Waiting("a", HIGH)
    assert queue.push(entry) is entry
    queue.push_front(entry)
    assert queue.pop() is entry


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("front", [False, True], ids=["behind", "in front"])
def test_an_entry_leaves_from_any_place_and_only_once(place: int, front: bool) -> None:
    queue = FairQueue[Waiting](10)
    entries = [Waiting("a", NORMAL) for _ in range(5)]
    for entry in entries:
        if front:
            queue.push_front(entry)
        else:
            queue.push(entry)
    queue.remove(entries[place])
    queue.remove(entries[place])
    assert queue.length == 4
    del entries[place]
    assert popped(queue, 4) == entries
    queue.remove(entries[0])  # granted, and gone afterwards
    assert queue.length == 0


def test_sizes_by_class_and_in_front() -> None:
    queue = filled(("a", HIGH, 2), ("b", NORMAL, 3), ("c", NORMAL, 1), ("d", LOW, 5))
    assert queue.sizes() == (2, 4, 5, 0)
    queue.push_front(Waiting("a", HIGH))
    assert queue.sizes() == (2, 4, 5, 1)
    popped(queue, 2)
    assert queue.sizes() == (1, 4, 5, 0)
    assert sum(queue.sizes()) == queue.length
