"""The alerts and the dashboard: judged by promtool, each alert seen to fire and not to fire, each with a
paragraph that it leads to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.programs import require_tool, run_program
from tests.support.metrics import metrics_in

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
ROWS = [
    "Traffic", "Latency", "Twilio pressure", "Refusals and codes", "Consumers", "Credentials", "Process",
    "Webhooks", "Repeats and open outcomes",
]  # fmt: skip


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in _rules() if "alert" in rule]


@pytest.mark.parametrize(
    "judged",
    [
        ("check", "rules", "alerts.yaml"),
        ("check", "config", "prometheus.yaml"),
        ("test", "rules", "alerts.test.yaml"),
    ],
)
async def test_promtool(judged: tuple[str, ...]) -> None:
    """As it stands in the folder; anything on standard error fails."""
    said = await run_program([require_tool("promtool"), *judged], FOLDER)
    assert b"SUCCESS" in said
    assert b"FAILED" not in said


def test_each_alert_is_seen_to_fire_and_not_to_fire() -> None:
    tests = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    seen = {
        (each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]
    }
    assert seen == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_leads_to_a_paragraph(rule: dict[str, Any]) -> None:
    """A heading of its own in the runbook, and something under it."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page.startswith("https://"), "absolute: an alert is read far from this repository"
    assert anchor == rule["alert"].lower()
    paragraph = re.search(
        rf"^### {rule['alert']}\n\n(.+?)\n(?:\n|$)", (ROOT / "docs/operations.md").read_text(), re.M | re.S
    )
    assert paragraph is not None
    assert len(paragraph[1].split()) > 20


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def test_the_dashboard_can_be_imported() -> None:
    """What Grafana's import looks at: no id, a data source to be chosen, panels that neither share an id nor
    lie upon each other, nor reach beyond the 24 columns."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["id"] is None
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    panels = _panels()
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ROWS
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            assert panel["datasource"]["uid"] == target["datasource"]["uid"] == "${datasource}"
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables.keys(), target["expr"]


async def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """promtool reads them as rules, with the variables filled in."""
    expressions = [
        target["expr"].replace("$__rate_interval", "5m").replace("$job", "a").replace("$product", "b")
        for panel in _panels()
        for target in panel.get("targets", ())
    ]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    said = await run_program([require_tool("promtool"), "check", "rules", "rules.yaml"], tmp_path)
    assert f"{len(rules)} rules found".encode() in said


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up == 0", {"up"}),
        ("sum by (job, le) (rate(a_total{x=\"b_total\",y=~'c{2}'}[5m])) > 0.05", {"a_total"}),
        ("a:b:rate5m / (c_total > 0) or vector(0)", {"a:b:rate5m", "c_total"}),
        ("topk(20, x_bucket) - time() < 14 * 86400", {"x_bucket"}),
        ("a_total offset 5m and on (job) b unless ignoring(x) c", {"a_total", "b", "c"}),
        ("1e3 * max without (x) (y) > 2", {"y"}),
    ],
)
def test_names_in_expressions(expression: str, names: set[str]) -> None:
    """The test of names is only as good as its reading."""
    assert metrics_in(expression) == names
