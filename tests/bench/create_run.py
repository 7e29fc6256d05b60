"""One run of `at_most_once.py`: what Twilio made, what clients were told, and where the two differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.create_histories import CreateHistories
from tests.bench.retrying_clients import Told

STAYS_SECONDS = 20.0
_STORIES = 20


@dataclass
class Run:
    """What Twilio made, and what clients were told."""

    told: Told = field(default_factory=Told)
    made: dict[str, list[str]] = field(default_factory=dict)
    unknown_after: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    paused: int = 0
    faults: int = 0

    def __post_init__(self) -> None:
        self.histories = CreateHistories(self.told.faulted_at)

    def note(self, text: str, sid: str) -> None:
        """Twilio has created a message."""
        self.made.setdefault(text, []).append(sid)
        self.histories.note_made(text, sid)
        if len(self.made[text]) > 1:
            print(f"twice: {self.story(text)}", flush=True)

    def story(self, label: str) -> str:
        """What is known of a label's create, for people."""
        heard = ", ".join(self.told.heard.get(label, []))
        return f"{label}: {heard}; {self.histories.describe(label)}"

    def end_faults(self) -> None:
        """Callers have stayed: note what is unknown to them by now, and why."""
        self.unknown_after = len(self.told.unknown)
        self.causes = self.histories.causes(self.told.unknown)
        for label in sorted(self.told.unknown)[:_STORIES]:
            print(f"unknown: {self.story(label)}", flush=True)

    def problems(self, labels: Sequence[str]) -> dict[str, list[str]]:
        """What must not be, by its name; nothing if all is well."""
        told = self.told
        lost = [label for label in told.acknowledged if label not in self.made]
        other = [
            label
            for label, sid in told.acknowledged.items()
            if label in self.made and sid not in self.made[label]
        ]
        found = {
            "created twice": [label for label, sids in self.made.items() if len(sids) > 1],
            "acknowledged, not created": lost,
            "acknowledged with another's SID": other,
            "without an answer at the end": [label for label in labels if label not in told.acknowledged],
        }
        return {name: each for name, each in found.items() if each}

    def describe(self, creates: int) -> str:
        """For people."""
        return (
            f"{creates} creates met {self.faults} faults, {self.killed} kills, {self.paused} pauses: "
            f"created {sum(map(len, self.made.values()))}, of which twice "
            f"{sum(len(sids) > 1 for sids in self.made.values())}; unknown to a caller that stayed "
            f"{STAYS_SECONDS:g} s: {self.unknown_after} ({100 * self.unknown_after / creates:.2f} %) "
            f"{dict(self.causes)}\n"
            f"  {self.told.describe_known(STAYS_SECONDS)}\n"
            f"  answers: {dict(self.told.answers.most_common())}"
        )
