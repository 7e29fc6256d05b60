"""The commands of docs/incident.md answer every question from the log alone, in each schema."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.incident import CONSUMERS, SERVICE, Truth, ask_logs, documented_commands, play

ROUTE = "/2010-04-01/Accounts/{AccountSid}/Messages"


def rows(lines: list[str], fields: int) -> dict[tuple[str, ...], int]:
    """What `--by` prints, as values and counts."""
    cells = (line.split("  ") for line in lines[1:])
    return {tuple(row[-fields:]): int(row[0]) for row in cells}


@pytest.mark.parametrize("schema", ["plain", "ecs"])
async def test_an_incident_is_answered_from_the_logs(tmp_path: Path, schema: str) -> None:
    truth = await play(tmp_path, 800, schema)
    assert isinstance(truth, Truth)
    _, one, uses, created, touched, rules, else_, everything, raw, verify = documented_commands()
    assert truth.stopped == 1
    (_, line) = ask_logs(one, tmp_path, truth)
    cells = line.split("  ")
    assert cells[2:5] == [truth.consumer, truth.key, truth.address]
    assert (cells[8], cells[10]) == (truth.rule, truth.created[-1])
    by_address: Counter[str] = Counter()
    for (address, _), count in rows(ask_logs(uses, tmp_path, truth), 2).items():
        by_address[address] += count
    stolen = len(truth.created) + len(truth.read) + truth.refused + truth.stopped
    assert by_address == {truth.address: stolen, SERVICE: truth.service_uses}
    assert rows(ask_logs(created, tmp_path, truth), 1) == {
        **{(sid,): 1 for sid in truth.created},
        ("-",): truth.stopped,
    }
    reads = {
        sid: count
        for (method, _, sid), count in rows(ask_logs(touched, tmp_path, truth), 3).items()
        if method == "GET" and sid != "-"
    }
    assert reads == Counter(truth.read)
    assert rows(ask_logs(rules, tmp_path, truth), 4) == {
        (truth.rule, "POST", ROUTE, "201"): len(truth.created),
        (f"GET api {ROUTE}/{{Sid}}", "GET", f"{ROUTE}/{{Sid}}", "200"): len(truth.read),
        ("allow", "GET", "/2010-04-01/Accounts", "403"): truth.refused,
        ("stop", "POST", ROUTE, "403"): truth.stopped,
    }
    others = rows(ask_logs(else_, tmp_path, truth), 3)
    assert others[("-", "-", "unknown_consumer")] == truth.guesses
    assert {consumer for consumer, _, _ in others} == {truth.consumer, "-"}
    lines = [json.loads(line) for line in ask_logs(everything, tmp_path, truth)]
    assert len(lines) == stolen
    assert {line["created_sid"] for line in lines if "created_sid" in line} == set(truth.created)
    if schema == "plain":  # the line has the plain names
        found = [line.split("\t") for line in ask_logs(raw, tmp_path, truth)]
        assert sum(address == truth.address for _, address, _, _ in found) == stolen
        assert len(found) == stolen + truth.service_uses
        assert {sid for _, address, _, sid in found if sid and address == truth.address} == set(truth.created)
    assert ask_logs(verify, tmp_path, truth) == ["5 lines of 2 chains: no faults"]
    consumers = {json.loads(text)["consumer"] for text in _texts(tmp_path)} if schema == "plain" else set()
    assert len(consumers - {""}) in (0, CONSUMERS)


def _texts(folder: Path) -> list[str]:
    lines = (folder / "gateway.log").read_text("utf-8").splitlines()
    return [line for line in lines if '"exchange"' in line]
