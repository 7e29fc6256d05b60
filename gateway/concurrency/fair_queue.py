"""A bounded, fair queue: which entry is next, and which is evicted (`docs/design.md` 4.6). Pure.

Classes have weights 16:4:1, so the lowest is never starved. Inside a class, consumers take turns, whatever
their number of connections; inside a consumer, entries are first come, first served. Requeued requests go
ahead of all others. Every operation takes constant time, except choosing a victim, which visits each waiting
consumer once.
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from gateway.consumers.consumer import Priority

WEIGHTS: Final = (16, 4, 1)
_STRIDES: Final = tuple(max(WEIGHTS) // weight for weight in WEIGHTS)


class Waiting:
    """One request that waits."""

    __slots__ = ("consumer", "in_front", "priority", "queued")

    def __init__(self, consumer: str, priority: Priority) -> None:
        self.consumer = consumer
        self.priority = priority
        self.in_front = False
        self.queued = False
        """Whether it is in a queue. After it has left, it may be pushed again."""


W = TypeVar("W", bound=Waiting)


class _Class(Generic[W]):
    """The consumers of a class that have waiting entries, in turn; no lane is ever empty."""

    __slots__ = ("lanes", "passed")

    def __init__(self) -> None:
        # Ordered dicts, because an entry may leave from any place, and its memory is freed at once.
        self.lanes: OrderedDict[str, OrderedDict[W, None]] = OrderedDict()
        self.passed = 0  # stride scheduling: of the classes with entries, the lowest goes next


class FairQueue(Generic[W]):
    """Admits `max_length` entries. Requeued entries do not count, because they were admitted before.

    `length` is the number of all entries; any thread may read it.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.length = 0
        self._classes: tuple[_Class[W], ...] = tuple(_Class() for _ in Priority)
        self._front: OrderedDict[W, None] = OrderedDict()
        self._now_passed = 0

    def sizes(self) -> tuple[int, ...]:
        """How many wait in each class, the highest first, and last how many were requeued. Thread-safe."""
        lanes = (each.lanes.copy().values() for each in self._classes)
        return (*(sum(map(len, each)) for each in lanes), len(self._front))

    def push(self, entry: W) -> W | None:
        """Add an entry. If the queue is then over its bound, remove and return a victim to be refused.

        The victim is the newest entry of the consumer with the longest queue, which may be the new entry. Of
        equally long queues it is one in the lowest class, of the consumer whose turn is furthest away.
        """
        cls = self._classes[entry.priority]
        if not cls.lanes:
            cls.passed = max(cls.passed, self._now_passed)  # an idle class earns no credit
        lane = cls.lanes.get(entry.consumer)
        if lane is None:
            lane = cls.lanes[entry.consumer] = OrderedDict()
        lane[entry] = None
        entry.in_front = False
        entry.queued = True
        self.length += 1
        if self.length - len(self._front) <= self.max_length:
            return None
        victim = self._newest_of_longest()
        self.remove(victim)
        return victim

    def push_front(self, entry: W) -> None:
        """Requeue an entry: ahead of all others, behind those that were requeued before."""
        entry.in_front = True
        entry.queued = True
        self._front[entry] = None
        self.length += 1

    def remove(self, entry: W) -> None:
        """Remove an entry, wherever it is; does nothing if it is not queued."""
        if not entry.queued:
            return
        entry.queued = False
        self.length -= 1
        if entry.in_front:
            del self._front[entry]
            return
        lanes = self._classes[entry.priority].lanes
        lane = lanes[entry.consumer]
        del lane[entry]
        if not lane:
            del lanes[entry.consumer]

    def pop(self) -> W | None:
        """Remove and return the next entry."""
        if self._front:
            entry = next(iter(self._front))
        elif self.length:
            entry = self._next_in_turn()
        else:
            return None
        self.remove(entry)
        return entry

    def _next_in_turn(self) -> W:
        index = min(
            (index for index, each in enumerate(self._classes) if each.lanes),
            key=lambda index: (self._classes[index].passed, index),
        )
        cls = self._classes[index]
        self._now_passed = cls.passed
        cls.passed += _STRIDES[index]
        consumer, lane = next(iter(cls.lanes.items()))
        cls.lanes.move_to_end(consumer)
        return next(iter(lane))

    def _newest_of_longest(self) -> W:
        lanes = [lane for cls in reversed(self._classes) for lane in reversed(cls.lanes.values())]
        longest: OrderedDict[W, None] = max(lanes, key=lambda lane: len(lane))
        return next(reversed(longest))
