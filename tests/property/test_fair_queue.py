"""The queue against a model of plain lists that says the rules without a thought for speed."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.concurrency.fair_queue import WEIGHTS, FairQueue, Waiting
from gateway.consumers.consumer import Priority

CONSUMERS = st.sampled_from("abcd")
PRIORITIES = st.sampled_from(Priority)


class Queueing(RuleBasedStateMachine):
    """`line` holds everything behind the front in order of arrival, `turns` the consumers of each class."""

    @initialize(most=st.integers(0, 8))
    def begin(self, most: int) -> None:
        self.most = most
        self.queue = FairQueue[Waiting](most)
        self.front: list[Waiting] = []
        self.line: list[Waiting] = []
        self.turns: dict[Priority, list[str]] = {priority: [] for priority in Priority}
        self.passed = dict.fromkeys(Priority, 0)
        self.now_passed = 0
        self.gone: list[Waiting] = []

    def of(self, consumer: str, priority: Priority) -> list[Waiting]:
        return [e for e in self.line if (e.consumer, e.priority) == (consumer, priority)]

    def leave(self, entry: Waiting) -> None:
        self.line.remove(entry)
        if not self.of(entry.consumer, entry.priority):
            self.turns[entry.priority].remove(entry.consumer)
        self.gone.append(entry)

    @rule(consumer=CONSUMERS, priority=PRIORITIES)
    def push(self, consumer: str, priority: Priority) -> None:
        entry = Waiting(consumer, priority)
        if not self.turns[priority]:
            self.passed[priority] = max(self.passed[priority], self.now_passed)
        if consumer not in self.turns[priority]:
            self.turns[priority].append(consumer)
        self.line.append(entry)
        expected = None
        if len(self.line) > self.most:
            lanes = [(p, turn, c) for p in Priority for turn, c in enumerate(self.turns[p])]
            p, _, c = max(lanes, key=lambda lane: (len(self.of(lane[2], lane[0])), lane[0], lane[1]))
            expected = self.of(c, p)[-1]
            self.leave(expected)
        assert self.queue.push(entry) is expected

    @rule(consumer=CONSUMERS, priority=PRIORITIES)
    def push_front(self, consumer: str, priority: Priority) -> None:
        entry = Waiting(consumer, priority)
        self.front.append(entry)
        self.queue.push_front(entry)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def push_front_what_was_out(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.gone))
        self.gone.remove(entry)
        self.front.append(entry)
        self.queue.push_front(entry)

    @rule()
    def pop(self) -> None:
        entry = self.queue.pop()
        if self.front:
            assert entry is self.front.pop(0)
            self.gone.append(entry)
        elif not self.line:
            assert entry is None
        else:
            priority = min((p for p in Priority if self.turns[p]), key=lambda p: (self.passed[p], p))
            self.now_passed = self.passed[priority]
            self.passed[priority] += 16 // WEIGHTS[priority]
            consumer = self.turns[priority].pop(0)
            self.turns[priority].append(consumer)
            expected = self.of(consumer, priority)[0]
            self.leave(expected)
            assert entry is expected

    @precondition(lambda self: self.line or self.front)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.line + self.front))
        self.queue.remove(entry)
        if entry in self.front:
            self.front.remove(entry)
            self.gone.append(entry)
        else:
            self.leave(entry)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def remove_what_has_left(self, data: st.DataObject) -> None:
        self.queue.remove(data.draw(st.sampled_from(self.gone)))

    @invariant()
    def counts_are_right(self) -> None:
        assert self.queue.length == len(self.front) + len(self.line)
        assert len(self.line) <= self.most
        assert all(entry.queued for entry in self.line + self.front)
        assert not any(entry.queued for entry in self.gone)

    @invariant()
    def nothing_is_kept_of_what_has_left(self) -> None:
        held = stored(self.queue)
        assert sorted(map(id, held)) == sorted(map(id, self.line + self.front))


def stored(queue: FairQueue[Any]) -> list[Waiting]:
    """Every entry that the queue's containers refer to; no lane may be empty."""
    lanes = [lane for cls in queue._classes for lane in cls.lanes.values()]
    assert all(lanes)
    return [*queue._front, *(entry for lane in lanes for entry in lane)]


TestQueueing = Queueing.TestCase


def test_a_consumer_that_only_ever_leaves_takes_no_room() -> None:
    queue = FairQueue[Waiting](10)
    queue.push(Waiting("stays", Priority.HIGH))
    for turn in range(10_000):
        entry = Waiting(f"leaves-{turn % 100}", Priority.LOW)
        queue.push(entry)
        queue.remove(entry)
    assert len(stored(queue)) == 1
