"""A bounded, fair queue, as a pure data structure (design 4.6): who is next, and who must go when it is full.

Classes weigh 16:4:1, so that low is never starved; inside a class consumers take turns, whatever each one's
number of connections; inside a consumer it is first come, first served. What has been out already and came
back waits in front of all.
"""

from collections import deque
from enum import IntEnum
from typing import Generic, TypeVar


class Priority(IntEnum):
    """A consumer's class."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


WEIGHTS = (16, 4, 1)
_STRIDES = tuple(max(WEIGHTS) / weight for weight in WEIGHTS)


class Waiting:
    """One request in the queue."""

    __slots__ = ("consumer", "in_front", "left", "priority")

    def __init__(self, consumer: str, priority: Priority) -> None:
        self.consumer = consumer
        self.priority = priority
        self.in_front = False
        self.left = False
        """It gave up, or was taken out; its place is passed over when its turn comes."""


W = TypeVar("W", bound=Waiting)


class _Lane(Generic[W]):
    """What one consumer has waiting in a class."""

    __slots__ = ("entries", "live")

    def __init__(self) -> None:
        self.entries: deque[W] = deque()
        self.live = 0


class _Class(Generic[W]):
    """The consumers of a class that have something waiting, in turn."""

    __slots__ = ("lanes", "live", "passed", "turns")

    def __init__(self) -> None:
        self.lanes: dict[str, _Lane[W]] = {}
        self.turns: deque[str] = deque()
        self.live = 0
        self.passed = 0.0  # stride scheduling: of the classes with entries, the least goes next


class FairQueue(Generic[W]):
    """Admits `most` entries; entries put in front do not count, for they were admitted before."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._classes: tuple[_Class[W], ...] = tuple(_Class() for _ in Priority)
        self._front: deque[W] = deque()
        self._front_live = 0
        self._live = 0
        self._now_passed = 0.0

    def __len__(self) -> int:
        return self._live + self._front_live

    def push(self, entry: W) -> W | None:
        """Let an entry wait. If that is one too many, take out and return the one to be refused.

        That is the newest of the consumer with the longest queue, which may be the entry itself.
        """
        cls = self._classes[entry.priority]
        lane = cls.lanes.get(entry.consumer)
        if lane is None:
            lane = cls.lanes[entry.consumer] = _Lane()
            cls.turns.append(entry.consumer)
        if not cls.live:
            cls.passed = max(cls.passed, self._now_passed)  # no credit for having been away
        lane.entries.append(entry)
        lane.live += 1
        cls.live += 1
        self._live += 1
        if self._live <= self._most:
            return None
        victim = self._newest_of_longest()
        self.remove(victim)
        return victim

    def push_front(self, entry: W) -> None:
        """Let an entry wait before all others, behind those already in front."""
        entry.in_front = True
        self._front.append(entry)
        self._front_live += 1

    def remove(self, entry: W) -> None:
        """Take an entry out that is still waiting; a second call does nothing."""
        if entry.left:
            return
        entry.left = True
        if entry.in_front:
            self._front_live -= 1
            return
        cls = self._classes[entry.priority]
        cls.lanes[entry.consumer].live -= 1
        cls.live -= 1
        self._live -= 1

    def pop(self) -> W | None:
        """Take out the entry whose turn it is."""
        while self._front:
            entry = self._front.popleft()
            if not entry.left:
                self.remove(entry)
                return entry
        if not self._live:
            return None
        index = min(
            (index for index, each in enumerate(self._classes) if each.live),
            key=lambda index: (self._classes[index].passed, index),
        )
        cls = self._classes[index]
        self._now_passed = cls.passed
        cls.passed += _STRIDES[index]
        return self._next_of(cls)

    def _next_of(self, cls: _Class[W]) -> W:
        """The next live entry of the consumer whose turn it is."""
        while True:
            consumer = cls.turns.popleft()
            lane = cls.lanes[consumer]
            while lane.entries and lane.entries[0].left:
                lane.entries.popleft()
            if not lane.entries:
                del cls.lanes[consumer]
                continue
            entry = lane.entries.popleft()
            self.remove(entry)
            if lane.live:
                cls.turns.append(consumer)
            else:
                del cls.lanes[consumer]
            return entry

    def _newest_of_longest(self) -> W:
        lanes = [lane for each in reversed(self._classes) for lane in each.lanes.values()]
        longest = max(lanes, key=lambda lane: lane.live)
        return next(entry for entry in reversed(longest.entries) if not entry.left)
