"""What happened to each create of a run: its attempts at Twilio, what that made, and which replicas died.

Tells why an outcome stayed unknown. The simulator is watched from inside; a create is known by its text.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from twilio_simulator import Simulator

_ALTERED: Final = frozenset({"rewrite-body", "replace-sender", "redact"})
_AMBIGUOUS: Final = frozenset({"redact", "second-sender"})
"""With these no look can tell whether a lost create was done, so that it stays unknown and is held."""
_LOOKED_SECONDS: Final = 25.0


@dataclass
class Attempt:
    """One POST that Twilio received, at a time of the loop's clock, and what the simulator did to it."""

    at: float
    plan: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at:.1f} {self.plan or 'no fault'}"


class CreateHistories:
    """The attempts and creations of a run, by label. `faulted_at` is told when a faulted one has ended."""

    def __init__(self, faulted_at: dict[str, float]) -> None:
        self.attempts: dict[str, list[Attempt]] = {}
        self.made: dict[str, list[tuple[float, str]]] = {}
        self.kills: list[float] = []
        self._faulted_at = faulted_at
        self._now = asyncio.get_running_loop().time

    def watch(self, simulator: Simulator) -> None:
        """Be told of what arrives, what is done to it, and when it ends. The first two follow at once."""
        journal, faults = simulator.journal, simulator.faults
        begin, finish, plan_of = journal.begin, journal.finish, faults.plan
        current: Attempt | None = None

        def begun(received: Any) -> Any:
            nonlocal current
            entry, current = begin(received), None
            if label := _text_of(entry.raw_body):
                current = Attempt(self._now())
                self.attempts.setdefault(label, []).append(current)
            return entry

        def planned(*what: Any) -> Any:
            nonlocal current
            plan = plan_of(*what)
            if current is not None:
                current.plan, current = dict(plan), None
            return plan

        def finished(entry: Any, *how: Any) -> None:
            finish(entry, *how)
            label = _text_of(entry.raw_body)
            if label and self.attempts[label][-1].plan:
                self._faulted_at[label] = self._now()

        journal.begin = begun  # type: ignore[method-assign]
        journal.finish = finished  # type: ignore[method-assign, assignment]
        faults.plan = planned  # type: ignore[method-assign, assignment]

    def note_made(self, label: str, sid: str) -> None:
        """Twilio has created a message."""
        self.made.setdefault(label, []).append((self._now(), sid))

    def is_ambiguous(self, label: str) -> bool:
        """Whether a client that keeps calling need not learn what became of it."""
        return any(_AMBIGUOUS & set(each.plan) for each in self.attempts.get(label, ()))

    def cause(self, label: str) -> str:
        """Why the outcome of a label's last attempt may have stayed unknown."""
        attempts = self.attempts.get(label, [])
        if not attempts:
            return "never sent"
        last = attempts[-1]
        if any(last.at <= at <= last.at + _LOOKED_SECONDS for at in self.kills):
            return "a replica was killed since"
        if self.is_ambiguous(label):
            return "nobody can tell"
        if _ALTERED & set(last.plan):
            return f"the resource was altered: {', '.join(sorted(_ALTERED & set(last.plan)))}"
        if made := self.made.get(label):
            late = made[-1][0] - last.at
            return "made late" if late > 1 else "made at once"
        return "not made"

    def describe(self, label: str) -> str:
        """The whole story of a label, for people."""
        attempts = "; ".join(str(each) for each in self.attempts.get(label, []))
        made = [f"{at:.1f}" for at, _ in self.made.get(label, [])]
        kills = [f"{at:.1f}" for at in self.kills[-4:]]
        return f"attempts: {attempts}; made at {made}; last kills at {kills}"

    def causes(self, labels: set[str]) -> Counter[str]:
        """How many of `labels` each cause has."""
        return Counter(map(self.cause, labels))


def _text_of(body: bytes) -> str:
    return parse_qs(body.decode()).get("Body", [""])[0] if body else ""
