"""`gateway access` and `gateway diff`: who may do what, and what another configuration changes."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.unit.config.conftest import CREDENTIALS, DIGEST

TEAMS = f"""{CREDENTIALS}\
defaults: {{credential: main, limits: [{{name: all, rate: 20/s, burst: 40}}]}}
groups:
  senders: {{allow: ["messages:send"], priority: high}}
consumers:
  billing:
    keys: [{{digest: "{DIGEST}", expires: 2031-02-03T04:05:00Z}}]
    groups: [senders]
    form: {{to: ["+1"], callback_hosts: []}}
  reminders:
    certificates: [{{san: reminders.internal}}]
    groups: [senders]
    limits: [{{rate: 5/m, per: destination, mode: report, max_wait_seconds: 2}}]
"""


@pytest.fixture
def teams(tmp_path: Path) -> Path:
    path = tmp_path / "teams.yaml"
    path.write_text(TEAMS)
    return path


def test_access_writes_groups_and_defaults_out(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["access", "--config", str(teams)]) == 0
    assert (
        capsys.readouterr().out
        == """\
billing
  key            sha256:2c2c2c2c…, expires 2031-02-03 04:05 UTC
  credential     main
  group          senders
  priority       high
  may            messages:send
  form.to        +1
  form.callback_hosts nothing
  limit          all: 20/s, burst 40, per consumer

reminders
  certificate    dns:reminders.internal
  credential     main
  group          senders
  priority       high
  may            messages:send
  limit          all: 20/s, burst 40, per consumer
  limit          5/m, burst 5, per destination, waits up to 2 s, reports only
"""
    )


def test_access_of_one_consumer_has_the_rules_of_sets(
    teams: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["access", "--config", str(teams), "--consumer", "billing"]) == 0
    out = capsys.readouterr().out
    assert "  POST api /2010-04-01/Accounts/{AccountSid}/Messages\n" in out
    assert "reminders" not in out


def test_access_as_json(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["access", "--config", str(teams), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"title": "credential", "text": "main"} in rows["reminders"]


def test_access_of_an_unknown_consumer(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["access", "--config", str(teams), "--consumer", "biling"]) == 2
    assert "there are billing, reminders" in capsys.readouterr().err


def diff(old: Path, text: str) -> list[str]:
    new = old.with_name("new.yaml")
    new.write_text(text)
    return ["diff", str(old), str(new)]


def test_diff_of_the_same(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(diff(teams, TEAMS + "# a comment\n")) == 0
    assert capsys.readouterr().out == "nothing differs\n"


def test_a_rule_that_moves_into_a_group_changes_nothing(teams: Path) -> None:
    moved = TEAMS.replace(
        "    groups: [senders]\n    form", '    allow: ["messages:send"]\n    priority: high\n    form'
    )
    moved = moved.replace("groups:\n  senders", "groups:\n  others: {}\n  senders")
    assert main(diff(teams, moved)) == 1  # billing is in one group less, and that is all


def test_diff_says_what_changes_for_whom(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = TEAMS.replace('["messages:send"], priority: high', '["messages:send", "messages:read"]')
    text = text.replace("  reminders:", "  alarms:") + "retry: {max_attempts: 2}\n"
    assert main(diff(teams, text)) == 1
    assert (
        capsys.readouterr().out
        == """\
consumer alarms: added
  + certificate dns:reminders.internal
  + credential main
  + group senders
  + may messages:send
  + may messages:read
  + limit all: 20/s, burst 40, per consumer
  + limit 5/m, burst 5, per destination, waits up to 2 s, reports only
consumer billing: changed
  - priority high
  + may messages:read
consumer reminders: removed
  - certificate dns:reminders.internal
  - credential main
  - group senders
  - priority high
  - may messages:send
  - limit all: 20/s, burst 40, per consumer
  - limit 5/m, burst 5, per destination, waits up to 2 s, reports only
retry.max_attempts: 4 -> 2
"""
    )


def test_diff_as_json(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*diff(teams, TEAMS.replace("20/s", "30/s")), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [change["name"] for change in found["consumers"]] == ["billing", "reminders"]
    assert found["consumers"][1]["kind"] == "changed"


def test_diff_of_one_that_cannot_be_used(teams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(diff(teams, TEAMS.replace("senders]", "sender]"))) == 2
    assert "new.yaml:11: consumers.billing.groups.0: no group has this name" in capsys.readouterr().err
