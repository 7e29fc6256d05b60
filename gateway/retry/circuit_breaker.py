"""A circuit breaker per upstream host, for connections that cannot be made (docs/design.md 4.7).

While it is open nothing is tried; then one request is let through to see. Only failures to connect count: an
answer, even a 503, closes it.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_FAILURES_TO_OPEN: Final = 5
_FIRST_OPEN_SECONDS: Final = 0.5
_LONGEST_OPEN_SECONDS: Final = 15.0


class CircuitState(StrEnum):
    """As a metric shows it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    open_seconds: float = _FIRST_OPEN_SECONDS
    trying: bool = False
    reason: str = ""


class Breakers:
    """Pure: `now` is in seconds on a monotonic clock. Only hosts that fail take memory."""

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}
        self.failures: Counter[str] = Counter()
        """How many connections could not be made, in all, by reason."""

    def allows(self, host: str, now: float) -> bool:
        """Whether a connection may be tried; in the half-open state the first to ask is the one who tries."""
        circuit = self._circuits.get(host)
        if circuit is None or circuit.failures < _FAILURES_TO_OPEN:
            return True
        if now < circuit.open_until or circuit.trying:
            return False
        circuit.trying = True
        return True

    def succeeded(self, host: str) -> None:
        """A connection was made."""
        if self._circuits:
            self._circuits.pop(host, None)

    def failed(self, host: str, now: float, reason: str = "") -> None:
        """No connection could be made; `reason` is one of a fixed list."""
        self.failures[reason] += 1
        circuit = self._circuits.setdefault(host, _Circuit())
        circuit.reason = reason
        circuit.failures += 1
        circuit.trying = False
        if circuit.failures >= _FAILURES_TO_OPEN:
            circuit.open_until = now + circuit.open_seconds
            circuit.open_seconds = min(_LONGEST_OPEN_SECONDS, circuit.open_seconds * 2)

    def abandoned(self, host: str) -> None:
        """The caller that tried went away before it was known whether Twilio answers."""
        circuit = self._circuits.get(host)
        if circuit is not None:
            circuit.trying = False

    def reason(self, host: str) -> str:
        """Why no connection to a host could be made at last; '' if one could."""
        circuit = self._circuits.get(host)
        return circuit.reason if circuit is not None else ""

    def states(self, now: float) -> dict[str, CircuitState]:
        """The hosts that are not closed."""
        return {
            host: CircuitState.OPEN if now < circuit.open_until else CircuitState.HALF_OPEN
            for host, circuit in self._circuits.copy().items()  # another thread may ask
            if circuit.failures >= _FAILURES_TO_OPEN
        }
