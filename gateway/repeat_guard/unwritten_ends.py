"""Ends of creates that the store has not taken yet, at most one for each scope."""

from collections import OrderedDict

from gateway.repeat_guard.intent_records import IntentLease


class UnwrittenEnds:
    """In the order in which they came; over `most` the oldest goes, and its intent reads as open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._leases: OrderedDict[str, IntentLease] = OrderedDict()

    def __len__(self) -> int:
        return len(self._leases)

    def add(self, lease: IntentLease) -> None:
        """Queue an end. Of two with one scope the later one ends both."""
        scope, queued = lease.intent.scope, self._leases.get(lease.intent.scope)
        lease.is_queued = True
        if queued is not None and queued is not lease:
            earlier, lease = sorted((queued, lease), key=lambda each: each.number)
            lease.supersede(earlier)
        self._leases[scope] = lease
        if len(self._leases) > self.most:
            self._leases.popitem(last=False)

    def take(self, scope: str) -> IntentLease | None:
        """What is queued of a scope, and is ended by another from now on."""
        return self._leases.pop(scope, None)

    def first(self) -> IntentLease:
        """The oldest; it stays queued while it is written. Raises `StopIteration` if there is none."""
        return next(iter(self._leases.values()))

    def written(self, lease: IntentLease) -> None:
        """The store has it; what was queued meanwhile stays."""
        if self._leases.get(lease.intent.scope) is lease:
            del self._leases[lease.intent.scope]
