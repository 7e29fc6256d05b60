"""A rollout: what gates it, what kustomize builds, and which alerts, links and secrets come with it (D6)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import generate
from tests.clients.programs import require_tool
from tests.support.manifests import (
    CONFIG,
    CONTAINER,
    FOLDER,
    GATE,
    KUSTOMIZATION,
    NAME,
    POD,
    ROOT,
    SECRETS_AT,
    SETTINGS,
    the,
)
from tests.support.mounted import at, files_named, mount


def test_d6_a_gate_checks_what_the_gateway_will_read() -> None:
    """The same image, file and secrets, before the pod serves; the pods before it stay until it does."""
    assert GATE["image"] == CONTAINER["image"]
    assert GATE["volumeMounts"] == CONTAINER["volumeMounts"]
    assert GATE["securityContext"] == CONTAINER["securityContext"]
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    path = f"{CONTAINER['volumeMounts'][0]['mountPath']}/{generated['files'][0]}"
    assert GATE["args"] == ["check", "--config", path]
    assert at(the("Deployment"), "spec.strategy.rollingUpdate")["maxUnavailable"] == 0


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({}, 0), ({"consumers": {"billing": {}}}, 2), ({"listne": "127.0.0.1:8080"}, 2)],
    ids=["good", "no key", "misspelt"],
)
def test_d6_the_gate_ends_a_rollout(tmp_path: Path, wrong: dict[str, Any], code: int) -> None:
    """Any other exit code than 0 keeps the pod from starting."""
    config = mount(CONFIG, SECRETS_AT, tmp_path)
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | wrong))
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *GATE["args"][:2], str(config)], cwd=ROOT, check=False
    )
    assert done.returncode == code


def test_d6_kustomize_builds_it() -> None:
    """Namespace, image and the ConfigMap's hashed name arrive everywhere."""
    built = subprocess.run(
        [require_tool("kubectl"), "kustomize", str(FOLDER)], capture_output=True, text=True, check=True
    )
    assert built.stderr == ""
    manifests = [one for one in yaml.safe_load_all(built.stdout) if one]
    pod = next(one for one in manifests if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    maps = {one["metadata"]["name"] for one in manifests if one["kind"] == "ConfigMap"}
    name = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    assert re.fullmatch(rf"{NAME}-[a-z0-9]{{10}}", name)
    assert maps == {name, f"{NAME}-dashboard"}
    images = {each["image"] for each in (*pod["initContainers"], *pod["containers"])}
    assert images == {"registry.example.com/twilio-gateway:0.1.0"}
    assert {one["metadata"].get("namespace", NAME) for one in manifests} == {NAME}


def test_d6_alerts_and_dashboard_are_shipped() -> None:
    """What `make alerts` makes of the tested files: operator and sidecar get the same."""
    rule = the("PrometheusRule")
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    assert rule["spec"] == yaml.safe_load(alerts), "run `make alerts` after a change of alerts.yaml"
    dashboard = the("ConfigMap", f"{NAME}-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = dashboard["data"].values()
    assert text == (ROOT / "deploy/grafana/dashboard.json").read_text()
    assert (FOLDER / "prometheusrule.yaml").read_text() == generate.prometheus_rule(alerts)
    assert (FOLDER / "dashboard.yaml").read_text() == generate.dashboard_config_map(text)


def test_d6_the_runbook_is_where_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The links of alerts, their tests and the PrometheusRule change together; any URL, again and again."""
    for name in ("prometheus", "grafana", "kubernetes"):
        shutil.copytree(ROOT / "deploy" / name, tmp_path / name)
    at_home = {"ALERTS": tuple(tmp_path / path.relative_to(ROOT / "deploy") for path in generate.ALERTS)}
    at_home |= {
        name: tmp_path / getattr(generate, name).relative_to(ROOT / "deploy")
        for name in ("DASHBOARD", "RULE", "CONFIG_MAP")
    }
    for name, value in at_home.items():
        monkeypatch.setattr(generate, name, value)
    for url in ("https://wiki.example.org/a/b?page=3", "http://x/"):
        assert generate.main(["--runbook-url", url]) == 0
        for path in (*generate.ALERTS, generate.RULE):
            links = re.findall(r"runbook_url: '?(\S+?)#(\w+)", path.read_text())
            assert links
            assert {link for link, _ in links} == {url}, path
    with pytest.raises(SystemExit):
        generate.main(["--runbook-url", "docs/operations.md"])


def test_the_secret_has_what_is_read() -> None:
    """The configuration's files, the Secret's items, the monitor's token and the documented command agree."""
    (secret,) = [volume["secret"] for volume in POD["volumes"] if "secret" in volume]
    assert files_named(SETTINGS) == {f"{SECRETS_AT}/{item['path']}" for item in secret["items"]}
    keys = {item["key"] for item in secret["items"]}
    (endpoint,) = at(the("ServiceMonitor"), "spec.endpoints")
    token = endpoint["authorization"]["credentials"]
    assert token["name"] == secret["secretName"]
    assert token["key"] in keys
    text = (ROOT / "docs/operations.md").read_text()
    command = re.search(rf"create secret generic {secret['secretName']}((?:.*\\\n)+.*)", text)
    assert command is not None
    assert set(re.findall(r"--from-(?:file|literal)=(\w+)", command[1])) == keys
