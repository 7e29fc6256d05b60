"""A bounded, fair queue, as a pure data structure (design 4.6): who is next, and who must go when it is full.

Classes weigh 16:4:1, so that low is never starved; inside a class consumers take turns, whatever each one's
number of connections; inside a consumer it is first come, first served. What has been out already and came
back waits in front of all. Every step takes the same time however long the queue is, but for choosing whom to
refuse, which looks at every waiting consumer once.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from gateway.consumers.consumer import Priority

WEIGHTS = (16, 4, 1)
_STRIDES = tuple(max(WEIGHTS) // weight for weight in WEIGHTS)


class Waiting:
    """One request in the queue."""

    __slots__ = ("consumer", "in_front", "priority", "queued")

    def __init__(self, consumer: str, priority: Priority) -> None:
        self.consumer = consumer
        self.priority = priority
        self.in_front = False
        self.queued = False
        """Whether it is in a queue; once it has left, it may be put in again."""


W = TypeVar("W", bound=Waiting)


class _Class(Generic[W]):
    """The consumers of a class that have something waiting, in turn; no lane is ever empty."""

    __slots__ = ("lanes", "passed")

    def __init__(self) -> None:
        # Ordered dicts, for an entry leaves from any place, and its place must be given back at once.
        self.lanes: OrderedDict[str, OrderedDict[W, None]] = OrderedDict()
        self.passed = 0  # stride scheduling: of the classes with entries, the least goes next


class FairQueue(Generic[W]):
    """Admits `most` entries; entries put in front do not count, for they were admitted before."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._classes: tuple[_Class[W], ...] = tuple(_Class() for _ in Priority)
        self._front: OrderedDict[W, None] = OrderedDict()
        self._behind = 0  # entries that are not in front
        self._now_passed = 0

    def __len__(self) -> int:
        return self._behind + len(self._front)

    def sizes(self) -> tuple[int, ...]:
        """How many wait in each class, the highest first, and last how many in front. Any thread may ask."""
        lanes = (each.lanes.copy().values() for each in self._classes)
        return (*(sum(map(len, each)) for each in lanes), len(self._front))

    def push(self, entry: W) -> W | None:
        """Let an entry wait. If that is one too many, take out and return the one to be refused.

        That is the newest of the consumer with the longest queue, which may be the entry itself. Of equally
        long ones it is the lowest class's, and in it the one's whose turn is furthest away.
        """
        cls = self._classes[entry.priority]
        if not cls.lanes:
            cls.passed = max(cls.passed, self._now_passed)  # no credit for having been away
        lane = cls.lanes.get(entry.consumer)
        if lane is None:
            lane = cls.lanes[entry.consumer] = OrderedDict()
        lane[entry] = None
        entry.in_front = False
        entry.queued = True
        self._behind += 1
        if self._behind <= self.most:
            return None
        victim = self._newest_of_longest()
        self.remove(victim)
        return victim

    def push_front(self, entry: W) -> None:
        """Let an entry wait before all others, behind those already in front."""
        entry.in_front = True
        entry.queued = True
        self._front[entry] = None

    def remove(self, entry: W) -> None:
        """Take an entry out, wherever it is; does nothing if it is in no queue."""
        if not entry.queued:
            return
        entry.queued = False
        if entry.in_front:
            del self._front[entry]
            return
        lanes = self._classes[entry.priority].lanes
        lane = lanes[entry.consumer]
        del lane[entry]
        if not lane:
            del lanes[entry.consumer]
        self._behind -= 1

    def pop(self) -> W | None:
        """Take out the entry whose turn it is."""
        if self._front:
            entry = next(iter(self._front))
        elif self._behind:
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
