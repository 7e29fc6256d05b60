"""Audit trails: honest ones pass, and each manipulation is found and named."""

import json
import random
from collections.abc import Callable

import pytest

from gateway.audit.audit_chain import AuditChain, AuditHead
from gateway.audit.verification import AuditReport, read_heads, verify

KEY = b"k" * 32
Lines = list[bytes]


def trail(
    chain: str = "c1", lines: int = 9, *, stopped: bool = False, key: bytes = KEY
) -> tuple[Lines, AuditHead]:
    made, written = AuditChain(key, f"replica-of-{chain}", chain), []
    events = [
        ("started", {"version": "1"}),
        *[("login", {"address": f"10.0.0.{n}"}) for n in range(lines - 2)],
    ]
    for event, values in [*events, ("stopped" if stopped else "logout", {})]:
        line, head = made.make_lines("2026-11-29T02:00:00.000Z", [(event, values)])
        made.accept(head)
        written.append(line)
    assert made.head is not None
    return written, made.head


def judge(*files: Lines, heads: tuple[AuditHead, ...] = (), key: bytes = KEY) -> AuditReport:
    return verify({f"file{number}": lines for number, lines in enumerate(files)}, key, heads)


def edited(line: bytes, **values: object) -> bytes:
    return json.dumps({**json.loads(line), **values}).encode() + b"\n"


def without(line: bytes, name: str) -> bytes:
    values = json.loads(line)
    del values[name]
    return json.dumps(values).encode() + b"\n"


OTHER, _ = trail("c2")
OTHER_KEY, _ = trail("c1", key=b"x" * 32)
LONGER, _ = trail("c1", 12)

MANIPULATIONS: dict[str, Callable[[Lines], Lines]] = {
    "an address is edited": lambda lines: [*lines[:3], edited(lines[3], address="10.9.9.9"), *lines[4:]],
    "a time is edited": lambda lines: [edited(lines[0], timestamp="2020-01-01T00:00:00.000Z"), *lines[1:]],
    "an event is edited": lambda lines: [*lines[:4], edited(lines[4], event="logout"), *lines[5:]],
    "a number is edited": lambda lines: [*lines[:4], edited(lines[4], seq=44), *lines[5:]],
    "a name is added": lambda lines: [*lines[:4], edited(lines[4], note="x"), *lines[5:]],
    "a name is removed": lambda lines: [*lines[:4], without(lines[4], "address"), *lines[5:]],
    "a replica is edited": lambda lines: [*lines[:4], edited(lines[4], replica="b"), *lines[5:]],
    "a chain is edited": lambda lines: [*lines[:4], edited(lines[4], chain="c9"), *lines[5:]],
    "a mac is edited": lambda lines: [*lines[:4], edited(lines[4], mac="0" * 64), *lines[5:]],
    "a mac is removed": lambda lines: [*lines[:4], without(lines[4], "mac"), *lines[5:]],
    "a prev is edited": lambda lines: [*lines[:4], edited(lines[4], prev="0" * 64), *lines[5:]],
    "the first line is deleted": lambda lines: lines[1:],
    "a line is deleted": lambda lines: [*lines[:4], *lines[5:]],
    "two lines are deleted": lambda lines: [*lines[:3], *lines[5:]],
    "two lines apart are deleted": lambda lines: [lines[0], *lines[2:5], *lines[6:]],
    "the beginning is deleted": lambda lines: lines[4:],
    "two lines are swapped": lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
    "the first two are swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "a line is moved to the end": lambda lines: [*lines[:2], *lines[3:], lines[2]],
    "all lines are reversed": lambda lines: lines[::-1],
    "a line is repeated": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "the end is cut off": lambda lines: lines[:-1],
    "three lines at the end are cut off": lambda lines: lines[:-3],
    "all but the first are cut off": lambda lines: lines[:1],
    "all lines are deleted": lambda lines: [],
    "a line is cut in two": lambda lines: [*lines[:-1], lines[-1][:40]],
    "a line is spliced from another replica": lambda lines: [
        *lines[:4],
        edited(OTHER[4], chain="c1"),
        *lines[5:],
    ],
    "a line is signed with another key": lambda lines: [*lines[:4], OTHER_KEY[4], *lines[5:]],
    "a line is no longer JSON": lambda lines: [*lines[:4], b"deleted\n", *lines[5:]],
    "a line of another run of the same chain is put in": lambda lines: [*lines[:8], LONGER[8], LONGER[9]],
    "the stream's name is taken off": lambda lines: [*lines[:4], without(lines[4], "stream"), *lines[5:]],
}


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_manipulation_is_found(name: str) -> None:
    lines, head = trail()
    changed = MANIPULATIONS[name](list(lines))
    assert changed != lines
    assert judge(changed, heads=(head,)).faults
    others, other_head = trail("c3")
    found = judge(others, changed, heads=(head, other_head)).faults
    assert found, "also among honest trails"
    assert not any(fault.where.startswith("file0") for fault in found), "the honest one is not blamed"


@pytest.mark.parametrize("seed", range(10))
def test_honest_trails_pass(seed: int) -> None:
    """Several chains, each rotated into files, which are given in any order; other lines stand between."""
    dice = random.Random(seed)
    files: list[Lines] = []
    heads = []
    for number in range(dice.randint(1, 4)):
        lines, head = trail(f"c{number}", dice.randint(2, 40))
        heads.append(head)
        while lines:
            cut = dice.randint(1, len(lines))
            files.append([b'{"event": "exchange"}\n', *lines[:cut]])
            lines = lines[cut:]
    dice.shuffle(files)
    report = judge(*files, heads=tuple(heads))
    assert (report.faults, report.unproven) == ([], [])
    assert report.chains == len(heads)


def test_chains_of_several_starts_in_one_file_pass() -> None:
    first, second = trail("c1", stopped=True), trail("c2")
    assert judge([*first[0], *second[0]], heads=(second[1],)).faults == []


def test_without_heads_the_end_is_unproven() -> None:
    report = judge(trail()[0])
    assert (report.faults, report.unproven) == ([], ["c1"])


def test_a_stop_proves_the_end() -> None:
    assert judge(trail(stopped=True)[0]).unproven == []


def test_an_older_head_proves_no_more_than_its_line() -> None:
    lines, _ = trail()
    old = json.loads(lines[4])
    heads = tuple(read_heads([json.dumps({**old, "event": "audit head"}).encode(), b"text\n"]))
    assert judge(lines, heads=heads).faults == []
    assert judge(lines[:3], heads=heads).faults


def test_faults_name_their_place() -> None:
    lines, _ = trail()
    faults = judge([*lines[:2], *lines[5:]]).faults
    assert [(fault.where, fault.what) for fault in faults] == [("chain c1", "missing: lines 2 to 4")]


def test_no_line_is_made_of_names_that_belong_to_the_chain() -> None:
    with pytest.raises(AssertionError):
        AuditChain(KEY, "r", "c").make_lines("now", [("login", {"seq": 3})])
