"""Which replicas there are, and which of them are still heard of. Pure: the server's time is handed in.

What a replica says of itself is JSON with a version; fields that this release does not know are ignored, and
what is no JSON is a replica of which no more than its name is known.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.redis.availability import STORE_ADVICE

VANISHED_SECONDS: Final = 5.0
"""A replica says twice a second that it is there."""
KEPT_SECONDS: Final = 3600
"""How long a replica that has vanished is listed."""
LIVE, VANISHED, STOPPED = "live", "vanished", "stopped"
STORE_AWAY: Final = f"Redis does not answer, so only this replica is shown: {STORE_ADVICE}"


class Replica(NamedTuple):
    """A replica as the others see it. Times are seconds since the epoch, of the server's clock."""

    name: str
    state: str
    last_seen: float
    about: Mapping[str, Any]

    def as_json(self) -> dict[str, object]:
        """As /api/replicas has it."""
        about = self.about
        return {
            "replica": self.name,
            "state": self.state,
            "health": about.get("health"),
            "version": about.get("version"),
            "config": about.get("config"),
            "started_at": about.get("started_at"),
            "last_seen": round(self.last_seen, 3),
        }


class Listing(NamedTuple):
    """All replicas, or this one alone and in `note` why. `shared`: the store was asked."""

    here: str
    shared: bool
    note: str
    replicas: list[Replica]

    @property
    def live(self) -> list[str]:
        """The names of those that are heard of, without this one."""
        return [each.name for each in self.replicas if each.state == LIVE and each.name != self.here]

    @property
    def gone(self) -> list[str]:
        """The names of those that vanished or stopped."""
        return [each.name for each in self.replicas if each.state != LIVE]

    def as_json(self) -> dict[str, object]:
        """As /api/replicas has it."""
        return {
            "here": self.here,
            "shared": self.shared,
            "note": self.note,
            "replicas": [each.as_json() for each in self.replicas],
        }


def read_replicas(seen: Sequence[bytes], about: Sequence[bytes], now: float) -> list[Replica]:
    """Replicas by name, of ZRANGE WITHSCORES and HGETALL."""
    texts = dict(zip(about[::2], about[1::2], strict=True))
    found = []
    for name, at in zip(seen[::2], seen[1::2], strict=True):
        content = read_object(texts.get(name, b""))
        last_seen = float(at)
        found.append(
            Replica(name.decode("utf-8", "replace"), _state(content, last_seen, now), last_seen, content)
        )
    return sorted(found)


def _state(about: Mapping[str, Any], last_seen: float, now: float) -> str:
    if about.get("stopped") is True:
        return STOPPED
    return LIVE if now - last_seen <= VANISHED_SECONDS else VANISHED


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def describe_gone(listing: Listing, now: float) -> list[str]:
    """A sentence for each replica that vanished."""
    return [
        f"{each.name} vanished: last seen {_ago(now - each.last_seen)} ago"
        for each in listing.replicas
        if each.state == VANISHED
    ]


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
