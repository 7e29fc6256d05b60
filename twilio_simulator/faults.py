"""Which faults a request meets: the grammar of `X-Sim-Fault`, the standing rules, limit and service time.

It only decides; `fault_injection.py`, `record_faults.py` and `answer_writer.py` carry the faults out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from twilio_simulator.resource_values import Fields

HEADER: Final = "X-Sim-Fault"

Plan: TypeAlias = Mapping[str, str]
"""Fault names and their values (an empty string where there is none)."""

FAULTS: Final[Mapping[str, str]] = {
    "delay": "=seconds: wait before processing, the slot held",
    "hang": "never answer; nothing is processed",
    "reset-before": "RST before processing",
    "status": "=4xx|5xx: answer that, nothing is processed",
    "429": "[=code]: answer 429 with code 20429 or the one given, nothing is processed",
    "429-no-code": "answer 429 with an HTML page, nothing is processed",
    "401": "answer 401/20003, nothing is processed",
    "status-after": "=5xx: process, then answer that",
    "hang-after": "process, then never answer",
    "reset-after": "process, then RST without an answer",
    "retry-after": "=n: add Retry-After to the answer, whichever it is",
    "close-after": "answer, then close the connection without having said so",
    "truncate": "process, answer half of what Content-Length promises, close",
    "truncate-chunked": "process, answer half as chunks without the last one, close",
    "garbage": "process, answer something that is no HTTP",
    "slow-body": "=seconds: send the head at once and the body in ten pieces",
    "commit-late": "=seconds: RST without an answer, and process that many seconds later",
    "second-sender": "[=other]: another program on the account creates the same, or another text, just then",
    "rewrite-body": "=smart|trial: keep the text as smart encoding or a trial account changes it",
    "replace-sender": "=sender: keep this as the sender",
    "redact": "[=body|to]: keep neither text nor the recipient's last four digits, or not one of them",
    "no-date-sent": "keep a message that has no date_sent yet, so that no DateSent filter finds it",
    "list-lag": "=seconds: lists lack what was created within that time",
}
_SECONDS: Final = frozenset({"delay", "slow-body", "commit-late", "list-lag"})
"""These take a number or a range such as 0..8, of which each request gets a number of its own."""
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "rewrite-body": frozenset({"smart", "trial"}),
    "redact": frozenset({"", "body", "to"}),
    "second-sender": frozenset({"", "other"}),
}
_STATUSES: Final = frozenset({"status", "status-after"})
_TEXTS: Final = frozenset({"retry-after", "replace-sender"})
_PLAIN: Final = frozenset(FAULTS) - _SECONDS - _STATUSES - _TEXTS - _WORDS.keys() - {"429"}


class FaultSyntaxError(ValueError):
    """A fault, rule or setting that cannot be read; the message says what is possible."""


@dataclass(slots=True)
class FaultRule:
    """A standing fault. `path` is a part of the path; None matches anything. `count` is what is left."""

    plan: Plan
    method: str | None = None
    path: str | None = None
    host: str | None = None
    count: int | None = None
    probability: float = 1.0
    fired: int = 0

    def matches(self, method: str, path: str, host: str) -> bool:
        """Whether the rule is for this request and not used up."""
        return (
            self.count != 0
            and (self.method is None or self.method == method)
            and (self.path is None or self.path in path)
            and (self.host is None or self.host == host)
        )

    def describe(self) -> Fields:
        """The rule as `/-/faults` shows it."""
        match = {"method": self.method, "path": self.path, "host": self.host}
        return {
            "match": {name: value for name, value in match.items() if value is not None},
            "fault": write_faults(self.plan),
            "count": self.count,
            "probability": self.probability,
            "fired": self.fired,
        }


class Faults:
    """The active faults. `concurrency_limit` is per account; service times spread about their mean."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.rules: list[FaultRule] = []
        self.concurrency_limit: int | None = None
        self.service_seconds = 0.0
        self.service_sigma = 0.0

    def add(
        self,
        fault: str,
        *,
        method: str | None = None,
        path: str | None = None,
        host: str | None = None,
        count: int | None = None,
        probability: float = 1.0,
    ) -> FaultRule:
        """Add a rule; `method` is the effective one. Raises FaultSyntaxError."""
        if not 0 <= probability <= 1:
            raise FaultSyntaxError("probability must be between 0 and 1")
        rule = FaultRule(read_faults(fault), method and method.upper(), path, host, count, probability)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """No faults, no limit, no service time."""
        self.rules.clear()
        self.concurrency_limit = None
        self.service_seconds = self.service_sigma = 0.0

    def plan(self, header: str | None, method: str, path: str, host: str) -> Plan:
        """The faults of one request: its own first, then every rule that fires. Raises FaultSyntaxError."""
        if header is None and not self.rules:
            return {}
        plan: dict[str, str] = dict(read_faults(header)) if header else {}
        for rule in self.rules:
            if not rule.matches(method, path, host):
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            rule.fired += 1
            rule.count = None if rule.count is None else rule.count - 1
            plan = {**rule.plan, **plan}
        return {name: self._draw(value) if name in _SECONDS else value for name, value in plan.items()}

    def _draw(self, seconds: str) -> str:
        lowest, is_range, highest = seconds.partition("..")
        return f"{self._random.uniform(float(lowest), float(highest)):.6f}" if is_range else seconds

    def draw_service_seconds(self) -> float:
        """The service time of one request; `service_seconds` is the mean whatever sigma is."""
        mean, sigma = self.service_seconds, self.service_sigma
        if mean <= 0 or sigma <= 0:
            return mean
        return self._random.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)

    def describe(self) -> Fields:
        """What `GET /-/faults` answers."""
        return {
            "rules": [rule.describe() for rule in self.rules],
            "concurrency_limit": self.concurrency_limit,
            "service_seconds": self.service_seconds,
            "service_sigma": self.service_sigma,
        }


def read_faults(text: str) -> Plan:
    """`status=503, retry-after=2` as a plan. Raises FaultSyntaxError."""
    plan: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in FAULTS:
            raise FaultSyntaxError(f"Unknown fault {name!r}; possible are: {', '.join(FAULTS)}")
        if not _value_fits(name, value):
            raise FaultSyntaxError(f"Fault {name} does not take the value {value!r}; {FAULTS[name]}")
        plan[name] = value
    return plan


def write_faults(plan: Plan) -> str:
    """A plan as `X-Sim-Fault` spells it."""
    return ", ".join(f"{name}={value}" if value else name for name, value in plan.items())


def _value_fits(name: str, value: str) -> bool:
    if name in _PLAIN:
        return not value
    if name in _SECONDS:
        return _are_seconds(value)
    if name in _WORDS:
        return value in _WORDS[name]
    if name in _STATUSES:
        return value.isdecimal() and 400 <= int(value) <= 599
    return bool(value) if name in _TEXTS else not value or value.isdecimal()


def _are_seconds(value: str) -> bool:
    numbers = value.split("..", 1)
    if not all(number.replace(".", "", 1).isdecimal() for number in numbers):
        return False
    return float(numbers[0]) <= float(numbers[-1])
