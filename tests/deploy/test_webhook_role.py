"""The webhook role's manifests and unit: valid, apart from the data role, and without API keys."""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import Role
from tests.clients.programs import require_tool
from tests.support.mounted import at, documents

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes-webhooks"
UNIT = ROOT / "deploy/systemd/gateway-webhooks.service"
DATA_UNIT = ROOT / "deploy/systemd/gateway@.service"
NAME = "twilio-gateway-webhooks"
SECRETS_AT = "/run/secrets/twilio-gateway"
KUSTOMIZATION = documents(FOLDER / "kustomization.yaml")[0]
MANIFESTS = [manifest for name in KUSTOMIZATION["resources"] for manifest in documents(FOLDER / name)]
SECRETS = {
    "metrics_token": "metrics-token-metrics-token",
    "page_token": "page-token-page-token-page",
    "orders_webhook_secret": "secret-of-orders",
    "twilio_account_sid": "AC" + "0a" * 16,
    "twilio_auth_token": "0123456789abcdef0123456789abcdef",
}


def the(kind: str, name: str = NAME) -> Any:
    (found,) = [one for one in MANIFESTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


POD = at(the("Deployment"), "spec.template.spec")
(CONTAINER,) = POD["containers"]
LABELS = at(the("Deployment"), "spec.template.metadata.labels")


@pytest.mark.parametrize(
    "manifest", [one for one in MANIFESTS if not one["apiVersion"].startswith("monitoring.")],
    ids=lambda one: f"{one['kind']}-{one['metadata']['name']}",
)  # fmt: skip
def test_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_everything_is_listed_and_selected() -> None:
    listed = {*KUSTOMIZATION["resources"], *KUSTOMIZATION["configMapGenerator"][0]["files"]}
    assert listed == {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    matched = [
        at(the("Deployment"), "spec.selector.matchLabels"),
        at(the("Service"), "spec.selector"),
        at(the("Service", f"{NAME}-admin"), "spec.selector"),
        at(the("PodDisruptionBudget"), "spec.selector.matchLabels"),
        at(the("NetworkPolicy"), "spec.podSelector.matchLabels"),
    ]
    assert matched == [LABELS] * len(matched)
    assert LABELS != {"app.kubernetes.io/name": "twilio-gateway"}, "the data role's policy must not match"


def test_it_serves_webhooks_alone_and_holds_no_api_key() -> None:
    assert CONTAINER["args"][0] == "serve"
    assert CONTAINER["args"][-2:] == ["--only", "webhooks"]
    items = {
        item["key"] for volume in POD["volumes"] if "secret" in volume for item in volume["secret"]["items"]
    }
    assert items == SECRETS.keys()
    assert not [name for name in items if "api" in name]


def test_policy_lets_in_the_ingress_and_out_to_services_only() -> None:
    policy = the("NetworkPolicy")["spec"]
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert {rule["ports"][0]["port"] for rule in policy["ingress"]} == ports.keys() == {"webhooks", "admin"}
    out = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert out == [53, 53, 8000, 4317, 4318], "traces, but neither HTTPS to the Internet, nor Redis"
    assert not [peer for rule in policy["egress"] for peer in rule["to"] if "0.0.0.0/0" in str(peer)]


def test_d6_a_gate_checks_what_this_role_will_read() -> None:
    """With what it is given: a check of everything would miss the API keys that this role has not."""
    (gate,) = POD["initContainers"]
    for name in ("image", "volumeMounts", "securityContext"):
        assert gate[name] == CONTAINER[name]
    assert gate["args"] == ["check", *CONTAINER["args"][1:]]
    assert at(the("Deployment"), "spec.strategy.rollingUpdate")["maxUnavailable"] == 0


def test_c10_both_roles_of_a_namespace_have_one_prefix() -> None:
    """A status callback that comes here resolves a create of the data role through Redis."""
    (data,) = documents(ROOT / "deploy/kubernetes/deployment.yaml")
    (served,) = at(data, "spec.template.spec.containers")
    assert CONTAINER["env"] == served["env"]


def test_the_configuration_works_with_these_secrets(tmp_path: Path) -> None:
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(text)
    config = tmp_path / "gateway.yaml"
    config.write_text((FOLDER / "gateway.yaml").read_text().replace(SECRETS_AT, str(tmp_path)))
    resolved = load_resolved(config, {}, role=Role.WEBHOOKS)
    assert resolved.webhooks is not None
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert (resolved.webhooks.listen.port, resolved.admin_listen.port) == (ports["webhooks"], ports["admin"])
    assert resolved.credentials["main"].keys == ()
    assert {Path(mount["mountPath"]) for mount in CONTAINER["volumeMounts"]} == {
        Path(SECRETS_AT), Path("/etc/twilio-gateway"),
    }  # fmt: skip
    assert yaml.safe_load(config.read_text())["webhooks"]["public_url"].startswith("https://")


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = tmp_path / "gateway"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/twilio-gateway/bin/gateway", str(program)))
    analyze = require_tool("systemd-analyze")
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")
    exposure = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert exposure.returncode == 0, exposure.stdout


def test_the_unit_differs_from_the_data_roles_where_it_must() -> None:
    text, data = UNIT.read_text(), DATA_UNIT.read_text()
    assert "--only webhooks" in text
    assert "api_key" not in text
    assert "api_secret" not in text
    hardening = data[data.index("CapabilityBoundingSet=") :]
    assert hardening in text
    assert "User=twilio-gateway-webhooks\n" in text
