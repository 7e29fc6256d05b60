"""Clients of a gateway that send a create again, each in its way, and what each was told.

Three kinds, as measured (docs/facts.md): one with the Java SDK's rules (three sends on a 5xx, six on a 503),
one with those of the async Python SDK and `max_retries` (three on any 5xx, at once), and one without a known
User-Agent that gives up after two seconds and calls again. The service behind them calls again as well, until
it has a definite answer or has waited for as long as it wants to.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import orjson

from tests.support.caller import FORM, MESSAGES, RawAnswer, raw_caller, request
from tests.support.impatience import answer_or_leave

IMPATIENT_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 40.0
_NOT_SENT: Final = frozenset(
    (
        "store_unavailable",
        "repeat_guard_full",
        "draining",
        "upstream_unreachable",
        "queue_timeout",
        "queue_full",
    )
)


@dataclass(frozen=True)
class ClientKind:
    """How a client sends again. `sends` gives the sends in all after an answer with this status."""

    name: str
    user_agent: str
    sends: Callable[[int], int]
    pause_seconds: float
    patience_seconds: float = _ANSWER_SECONDS


KINDS: Final = (
    ClientKind("java", "twilio-java/12.0.0", lambda status: 6 if status == 503 else 3, 0.1),
    ClientKind("python", "twilio-python/9.13.0", lambda status: 3, 0.0),
    ClientKind("impatient", "curl/8.0", lambda status: 1, 0.0, IMPATIENT_SECONDS),
)


@dataclass
class Told:
    """What the clients of a run know at its end, by label."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """The SID that each was given."""
    unknown: set[str] = field(default_factory=set)
    not_done: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    heard: dict[str, list[str]] = field(default_factory=dict)
    """What each label's client heard, and after how many seconds."""
    faulted_at: dict[str, float] = field(default_factory=dict)
    """When a label's last fault ended, by the loop's clock: that of an attempt at Twilio, or a connection to
    a replica that broke."""
    known_after: list[float] = field(default_factory=list)
    """For each fault, after how many seconds its caller knew whether the create was done."""
    _known: dict[str, float] = field(default_factory=dict)

    def note_known(self, label: str, now: float) -> None:
        """A caller was told whether its create was done."""
        faulted_at = self.faulted_at.get(label)
        if faulted_at is not None and self._known.get(label) != faulted_at:
            self._known[label] = faulted_at
            self.known_after.append(now - faulted_at)

    def describe_known(self, seconds: float) -> str:
        """How long callers waited for certainty, for people."""
        times = sorted(self.known_after)
        if not times:
            return "no fault whose end a caller was told"
        shares = ", ".join(
            f"p{100 * share:g} {times[int(share * (len(times) - 1))]:.1f} s"
            for share in (0.5, 0.99, 0.999, 1)
        )
        late = sum(each > seconds for each in times)
        return f"what became of {len(times)} faults was told after {shares}; {late} after {seconds:g} s"


class RetryingClient:
    """Creates one message after the other. `ports` are those of the replicas, any of which may be down."""

    def __init__(self, kind: ClientKind, ports: list[int], told: Told, chance: random.Random) -> None:
        self._kind = kind
        self._ports = ports
        self._told = told
        self._chance = chance

    async def create(self, label: str, to: str, *, stays_seconds: float | None = None) -> None:
        """Call until there is a definite answer, or `stays_seconds` after the last fault."""
        loop = asyncio.get_running_loop()
        self._told.unknown.discard(label)
        while True:
            end = await self._call(label, to)
            if end == "done":
                return
            faulted_at = self._told.faulted_at.setdefault(label, loop.time())
            if stays_seconds is not None and loop.time() - faulted_at >= stays_seconds:
                (self._told.not_done if end == "not done" else self._told.unknown).add(label)
                return
            await asyncio.sleep(_PAUSE_SECONDS * self._chance.uniform(0.5, 1.5))

    async def _call(self, label: str, to: str) -> str:
        """One call of the SDK: 'done', 'not done' or 'unknown', by its last answer."""
        sends = 0
        while True:
            answer = await self._send(label, to)
            sends += 1
            if answer is None:
                return "unknown"
            if answer.status < 300 or self._read(answer) == "not done":
                self._told.note_known(label, asyncio.get_running_loop().time())
            if answer.status < 300:
                self._told.acknowledged[label] = orjson.loads(answer.body)["sid"]
                return "done"
            if answer.status < 500 or sends >= self._kind.sends(answer.status):
                return self._read(answer)
            await asyncio.sleep(self._kind.pause_seconds)

    def _read(self, answer: RawAnswer) -> str:
        outcome = answer.value("Gateway-Outcome")
        if outcome == "absent" or answer.slug in _NOT_SENT or (answer.status == 429 and not outcome):
            return "not done"
        return "unknown"

    async def _send(self, label: str, to: str) -> RawAnswer | None:
        """None if the connection broke, or the client gave up."""
        body = f"To=%2B{to}&From=%2B15557122661&Body={quote(label)}".encode()
        ports = self._chance.sample(self._ports, len(self._ports))
        head = request(f"POST {MESSAGES}", FORM, f"User-Agent: {self._kind.user_agent}", body=body)
        began = asyncio.get_running_loop().time()
        answer: RawAnswer | None = None
        heard = ""
        for port in ports:  # as a load balancer does that finds one down
            try:
                async with raw_caller(port) as caller:
                    await caller.send(head)
                    answer = await answer_or_leave(caller, self._kind.patience_seconds)
                    heard = "gave up"
            except ConnectionRefusedError:
                heard = "all down"
                continue
            except (OSError, EOFError) as error:
                heard = type(error).__name__
                self._told.faulted_at[label] = asyncio.get_running_loop().time()
            break
        if answer is not None:
            heard = f"{answer.status} {answer.slug} {answer.value('Gateway-Outcome')}".strip()
        self._told.answers[heard] += 1
        seconds = asyncio.get_running_loop().time() - began
        self._told.heard.setdefault(label, []).append(f"{began:.1f}: {heard} ({seconds:.1f} s)")
        return answer
