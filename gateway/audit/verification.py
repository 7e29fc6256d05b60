"""Finds what is wrong with audit trails: altered, missing, reordered, repeated and cut-off lines. Pure.

Several files, rotated ones and those of several replicas are judged together. The order of lines counts
within a file; files may be given in any order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from gateway.audit.audit_chain import BEGINNING, ENDING, AuditHead, sign


class AuditFault(NamedTuple):
    """`where` is `FILE:LINE`, or the chain if a line is missing."""

    where: str
    what: str


class _Line(NamedTuple):
    where: str
    file: str
    values: dict[str, Any]


@dataclass(slots=True)
class AuditReport:
    """`unproven` are chains of which later lines may have been cut off: no head says how long they were."""

    lines: int = 0
    chains: int = 0
    faults: list[AuditFault] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


def verify(files: Mapping[str, Iterable[bytes]], key: bytes, heads: Iterable[AuditHead] = ()) -> AuditReport:
    """Judge the lines of `files` (name -> lines). Lines of other streams, as on standard output, are skipped.

    `heads` are what the ordinary log or the store kept of the chains.
    """
    report = AuditReport()
    chains: dict[str, list[_Line]] = {}
    for line in _read(files, report):
        if sign(line.values, key) != line.values.get("mac"):
            report.faults.append(AuditFault(line.where, "altered, or written with another key"))
        elif not isinstance(line.values.get("chain"), str) or not isinstance(line.values.get("seq"), int):
            report.faults.append(AuditFault(line.where, "is no line of a chain"))
        else:
            chains.setdefault(line.values["chain"], []).append(line)
    known = _longest(heads)
    for chain in sorted(chains.keys() | known.keys()):
        _judge(chain, chains.get(chain, []), known.get(chain), report)
    report.chains = len(chains)
    return report


def read_heads(lines: Iterable[bytes]) -> Iterator[AuditHead]:
    """The heads in an ordinary log, as JSON lines."""
    for text in lines:
        line = _parse(text)
        if line is not None and line.get("event") == "audit head":
            try:
                yield AuditHead(str(line["chain"]), int(line["seq"]), str(line["mac"]))
            except (KeyError, TypeError, ValueError):
                continue


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(line, dict) else None


def _read(files: Mapping[str, Iterable[bytes]], report: AuditReport) -> Iterator[_Line]:
    for name, lines in files.items():
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            line = _parse(text)
            if line is None:
                report.faults.append(AuditFault(f"{name}:{number}", "is not JSON: cut off or altered"))
            elif line.get("stream") == "audit" or {"mac", "prev"} <= line.keys():
                report.lines += 1
                yield _Line(f"{name}:{number}", name, line)


def _longest(heads: Iterable[AuditHead]) -> dict[str, AuditHead]:
    found: dict[str, AuditHead] = {}
    for head in heads:
        if head.chain not in found or head.seq > found[head.chain].seq:
            found[head.chain] = head
    return found


def _judge(chain: str, lines: list[_Line], head: AuditHead | None, report: AuditReport) -> None:
    faults = report.faults
    faults += _find_reordered(lines)
    by_number: dict[int, _Line] = {}
    for line in lines:
        first = by_number.setdefault(line.values["seq"], line)
        if first is not line:
            same = "repeats" if first.values == line.values else "has the number of"
            faults.append(AuditFault(line.where, f"{same} the line at {first.where}"))
    last = max(by_number, default=-1)
    missing = [number for number in range(last + 1) if number not in by_number]
    faults += [AuditFault(f"chain {chain}", f"missing: {text}") for text in _ranges(missing)]
    for number, line in sorted(by_number.items()):
        before = by_number.get(number - 1)
        prev = BEGINNING if number == 0 else before.values["mac"] if before is not None else None
        if prev is not None and line.values.get("prev") != prev:
            faults.append(
                AuditFault(line.where, "does not follow the line before it: spliced from elsewhere")
            )
    ended = last >= 0 and by_number[last].values.get("event") == ENDING
    if head is None:
        report.unproven += [] if ended else [chain]
    elif head.seq > last:
        faults.append(
            AuditFault(f"chain {chain}", f"cut off: a head names line {head.seq}, and the last is {last}")
        )
    elif head.seq in by_number and by_number[head.seq].values["mac"] != head.mac:
        faults.append(AuditFault(by_number[head.seq].where, "is not the line that a head names"))


def _find_reordered(lines: list[_Line]) -> Iterator[AuditFault]:
    """Within a file, numbers of a chain grow."""
    latest: dict[str, _Line] = {}
    for line in lines:
        before = latest.get(line.file)
        if before is not None and line.values["seq"] < before.values["seq"]:
            yield AuditFault(line.where, f"stands behind {before.where}, which is later")
        else:
            latest[line.file] = line


def _ranges(numbers: list[int]) -> Iterator[str]:
    """`line 3`, `lines 5 to 9`."""
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            first, last = numbers[start], numbers[index - 1]
            yield f"line {first}" if first == last else f"lines {first} to {last}"
            start = index
