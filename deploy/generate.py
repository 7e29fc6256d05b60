"""Writes the files of `deploy/` that follow from others: runbook links of alerts, and what Kubernetes gets.

    python deploy/generate.py [--runbook-url https://docs.example.com/gateway/operations]

The alerts and the dashboard are written once, in `prometheus/` and `grafana/`. A PrometheusRule and a
ConfigMap are made of them. Without `--runbook-url` links stay as they are. Needs nothing but Python.
"""

import argparse
import re
import sys
from pathlib import Path
from textwrap import indent

FOLDER = Path(__file__).parent
ALERTS = (FOLDER / "prometheus/alerts.yaml", FOLDER / "prometheus/alerts.test.yaml")
DASHBOARD = FOLDER / "grafana/dashboard.json"
RULE = FOLDER / "kubernetes/prometheusrule.yaml"
CONFIG_MAP = FOLDER / "kubernetes/dashboard.yaml"
_RUNBOOK = re.compile(r"(runbook_url: '?)[^#'\s]*(?=#)")
_MADE = "# Made by `python deploy/generate.py` from {source}: change that file instead.\n"
_LABELS = "  labels: {app.kubernetes.io/name: twilio-gateway%s}\n"


def with_runbook(text: str, url: str) -> str:
    """The alerts, or their tests, with links that lead to `url` and `#` and the alert's name."""
    return _RUNBOOK.sub(lambda match: match[1] + url, text)


def prometheus_rule(alerts: str) -> str:
    """The rules for the Prometheus operator."""
    groups = alerts[alerts.index("groups:") :]
    return (
        _MADE.format(source="deploy/prometheus/alerts.yaml")
        + "# Needs the Prometheus operator: remove it from the kustomization where there is none.\n"
        + "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: twilio-gateway\n"
        + _LABELS % ""
        + "spec:\n"
        + indent(groups, "  ")
    )


def dashboard_config_map(dashboard: str) -> str:
    """The dashboard for Grafana's sidecar, which looks for the label."""
    return (
        _MADE.format(source="deploy/grafana/dashboard.json")
        + "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twilio-gateway-dashboard\n"
        + _LABELS % ', grafana_dashboard: "1"'
        + "data:\n  twilio-gateway.json: |\n"
        + indent(dashboard, "    ")
    )


def main(arguments: list[str]) -> int:
    """Write the files. 2 for an address that is none."""
    parser = argparse.ArgumentParser(description="Write the files of deploy/ that follow from others.")
    parser.add_argument("--runbook-url", metavar="URL", help="where docs/operations.md is published")
    url = parser.parse_args(arguments).runbook_url
    if url is not None:
        if not re.fullmatch(r"https?://[^\s#'\"]+", url):
            parser.error(
                "--runbook-url is an absolute URL, such as https://docs.example.com/gateway/operations"
            )
        for path in ALERTS:
            path.write_text(with_runbook(path.read_text("utf-8"), url), "utf-8")
    RULE.write_text(prometheus_rule(ALERTS[0].read_text("utf-8")), "utf-8")
    CONFIG_MAP.write_text(dashboard_config_map(DASHBOARD.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
