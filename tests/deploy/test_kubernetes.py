"""The manifests: against Kubernetes' schemas, against each other, and against a running gateway.

No cluster is asked. What kustomize does with this kustomization (namespace, image, one ConfigMap) is little
enough to be read here.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.app.options import options_of
from gateway.config.loading.resolve import load_resolved
from gateway.config.schema.upstream_settings import Upstream
from tests.support.caller import RawAnswer, ask_admin
from tests.support.manifests import (
    CONFIG,
    CONTAINER,
    FOLDER,
    KUSTOMIZATION,
    MANIFESTS,
    NAME,
    POD,
    ROOT,
    SECRETS_AT,
    SETTINGS,
    named,
    the,
)
from tests.support.mounted import SECRETS, at, checked, documents, mount
from tests.support.running import ENVIRON, Spawned, configuration, serving

BUILT_IN = [manifest for manifest in MANIFESTS if not manifest["apiVersion"].startswith("monitoring.")]


PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
LABELS = at(the("Deployment"), "spec.template.metadata.labels")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.mark.parametrize("version", ["1.33", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("manifest", BUILT_IN, ids=named)
def test_schema(manifest: dict[str, Any], version: str) -> None:
    """Strict: an unknown field is an error."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_schema_sees_mistakes() -> None:
    wrong = json.loads(json.dumps(the("Deployment")))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


def test_everything_is_listed_once() -> None:
    """Each file of the folder is a resource or the configuration; each resource has its own kind and name."""
    listed = {*KUSTOMIZATION["resources"], *at(KUSTOMIZATION, "configMapGenerator")[0]["files"]}
    assert listed == {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    assert len({named(manifest) for manifest in MANIFESTS}) == len(MANIFESTS)
    assert {manifest["kind"] for manifest in MANIFESTS} == {
        "Namespace", "ServiceAccount", "Deployment", "Service", "PodDisruptionBudget",
        "HorizontalPodAutoscaler", "NetworkPolicy", "ServiceMonitor", "PrometheusRule", "ConfigMap",
    }  # fmt: skip
    assert KUSTOMIZATION["namespace"] == the("Namespace")["metadata"]["name"]
    assert [image["name"] for image in KUSTOMIZATION["images"]] == [CONTAINER["image"]]


def test_no_secret_is_in_git() -> None:
    assert "Secret" not in {manifest["kind"] for manifest in MANIFESTS}
    assert "secretGenerator" not in KUSTOMIZATION


def test_selectors_find_the_pods() -> None:
    matched = [
        at(the("Deployment"), "spec.selector.matchLabels"),
        at(the("Service"), "spec.selector"),
        at(the("Service", f"{NAME}-admin"), "spec.selector"),
        at(the("PodDisruptionBudget"), "spec.selector.matchLabels"),
        at(the("NetworkPolicy"), "spec.podSelector.matchLabels"),
        *(spread["labelSelector"]["matchLabels"] for spread in POD["topologySpreadConstraints"]),
    ]
    assert matched == [LABELS] * len(matched)
    target = at(the("HorizontalPodAutoscaler"), "spec.scaleTargetRef")
    deployment = the("Deployment")
    assert target == {"apiVersion": deployment["apiVersion"], "kind": "Deployment", "name": NAME}
    assert POD["serviceAccountName"] == the("ServiceAccount")["metadata"]["name"]


def test_ports_are_those_of_the_configuration() -> None:
    """Services, probes and policy name ports of the pod; these are where the gateway listens."""
    assert {"http": port_of(SETTINGS["listen"]), "admin": port_of(SETTINGS["admin"]["listen"])} == PORTS
    assert [(port["name"], port["targetPort"]) for port in at(the("Service"), "spec.ports")] == [
        ("http", "http")
    ]
    admin = at(the("Service", f"{NAME}-admin"), "spec.ports")
    assert [(port["port"], port["targetPort"]) for port in admin] == [(PORTS["admin"], "admin")]
    assert {CONTAINER[probe]["httpGet"]["port"] for probe in PROBES} == {"admin"}


def test_policy_lets_in_callers_and_monitoring_each_to_its_port() -> None:
    policy = the("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    came_in = {}
    for rule in policy["ingress"]:
        (port,), (source,) = rule["ports"], rule["from"]
        came_in[port["port"]] = source["namespaceSelector"]["matchLabels"]
    assert came_in == {
        "http": {"twilio-gateway/caller": "true"},
        "admin": {"kubernetes.io/metadata.name": "monitoring"},
    }


def test_d6_policy_lets_out_dns_https_redis_and_traces() -> None:
    """Twilio by IPv4 and IPv6 but not the cloud's metadata; Redis where the secret's example has it."""
    went_out = {
        tuple((port["port"], port["protocol"]) for port in rule["ports"]): rule["to"]
        for rule in the("NetworkPolicy")["spec"]["egress"]
    }
    otlp = ((4317, "TCP"), (4318, "TCP"))
    assert went_out.keys() == {((53, "UDP"), (53, "TCP")), ((443, "TCP"),), ((6379, "TCP"),), otlp}
    assert went_out[otlp] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in went_out[((443, "TCP"),)]}
    assert "169.254.0.0/16" in blocks["0.0.0.0/0"]
    assert "::/0" in blocks
    assert all("podSelector" in peer for peer in went_out[((6379, "TCP"),)])


def test_pods_meet_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only root besides."""
    assert at(the("Namespace"), "metadata.labels")["pod-security.kubernetes.io/enforce"] == "restricted"
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & POD.keys()
    assert all(volume.keys() <= {"name", "configMap", "secret"} for volume in POD["volumes"])
    assert POD["automountServiceAccountToken"] is False


def test_the_user_is_the_images() -> None:
    user = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user == [(str(POD["securityContext"]["runAsUser"]), str(POD["securityContext"]["runAsGroup"]))]
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]


def test_an_end_has_the_time_it_needs() -> None:
    """Grace covers preStop and drain; an update and an eviction leave somebody who serves."""
    program, seconds = at(CONTAINER, "lifecycle.preStop.exec.command")
    assert program == "sleep"
    readiness = CONTAINER["readinessProbe"]
    assert int(seconds) > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert SETTINGS["drain_seconds"] >= Upstream.model_fields["deadline_seconds_max"].default
    assert POD["terminationGracePeriodSeconds"] > int(seconds) + SETTINGS["drain_seconds"]
    assert at(the("Deployment"), "spec.strategy.rollingUpdate") == {"maxUnavailable": 0, "maxSurge": 1}
    assert "replicas" not in the("Deployment")["spec"], "the autoscaler's business"
    fewest = at(the("HorizontalPodAutoscaler"), "spec.minReplicas")
    assert fewest > at(the("PodDisruptionBudget"), "spec.maxUnavailable") > 0


def test_resources_leave_the_processor_unlimited() -> None:
    assert CONTAINER["resources"]["requests"].keys() == {"cpu", "memory"}
    assert CONTAINER["resources"]["limits"].keys() == {"memory"}


def test_the_configuration_is_mounted_where_the_image_reads_it() -> None:
    """As folders: a file mounted by subPath never changes."""
    mounts = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert mounts.keys() == volumes.keys() == {"config", "secrets"}
    assert not [mount for mount in mounts.values() if "subPath" in mount or not mount["readOnly"]]
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert volumes["config"]["configMap"] == {"name": generated["name"]}
    assert "generatorOptions" not in KUSTOMIZATION, "the name has a hash: a change is a rollout"
    read = re.search(r'"--config", "(.*)"\]$', (ROOT / "Dockerfile").read_text().rstrip())
    assert read is not None
    assert read[1] == f"{mounts['config']['mountPath']}/{generated['files'][0]}"
    assert mounts["secrets"]["mountPath"] == SECRETS_AT


def test_the_monitor_finds_the_admin_port() -> None:
    """ServiceMonitor is a kind of the Prometheus operator's, so no schema of Kubernetes has it."""
    monitor = the("ServiceMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"].keys() == {"jobLabel", "selector", "endpoints"}
    (endpoint,) = at(monitor, "spec.endpoints")
    assert endpoint.keys() == {"port", "path", "interval", "scrapeTimeout", "authorization"}
    assert endpoint["authorization"]["type"] == "Bearer"
    wanted = at(monitor, "spec.selector.matchLabels").items()
    services = [one for one in MANIFESTS if one["kind"] == "Service"]
    (found,) = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    assert endpoint["port"] in {port["name"] for port in found["spec"]["ports"]}
    (job,) = documents(ROOT / "deploy/compose/prometheus.yaml")[0]["scrape_configs"]
    assert found["metadata"]["labels"][monitor["spec"]["jobLabel"]] == job["job_name"]


def test_the_configuration_is_good(tmp_path: Path) -> None:
    result = checked(mount(CONFIG, SECRETS_AT, tmp_path))
    warned = [warning["key"] for warning in result.pop("warnings")]
    assert warned == ["listen"], "TLS ends in front, or is added by those who want it here"
    assert result == {"ok": True, "problems": [], "credentials": 1, "consumers": 1}


async def test_a_gateway_with_it_serves_what_is_asked_of_it(tmp_path: Path) -> None:
    """Probes need no token, as kubelet has none; metrics are for who shows the monitor's token."""
    async with configured(tmp_path) as gateway:
        for probe in PROBES:
            assert (await admin(gateway, CONTAINER[probe]["httpGet"]["path"])).status == 200, probe
        (endpoint,) = at(the("ServiceMonitor"), "spec.endpoints")
        token = SECRETS[endpoint["authorization"]["credentials"]["key"]]
        assert (await admin(gateway, endpoint["path"])).status == 401
        scraped = await admin(gateway, endpoint["path"], f"Authorization: Bearer {token}\r\n")
        assert scraped.status == 200
        assert b"gateway_" in scraped.body


def port_of(address: str) -> int:
    """The port of host:port."""
    return int(address.rpartition(":")[2])


@asynccontextmanager
async def configured(folder: Path) -> AsyncIterator[Spawned]:
    """A process with the ConfigMap's file, on every address as it says, but on free ports."""
    config = mount(CONFIG, SECRETS_AT, folder)
    assert yaml.safe_load(config.read_text())["admin"]["listen"] == "0.0.0.0:9090"
    ports = {"GATEWAY__LISTEN": "127.0.0.1:0", "GATEWAY__ADMIN__LISTEN": "0.0.0.0:0"}
    async with serving(config, ports) as gateway:
        yield gateway


async def admin(gateway: Spawned, path: str, fields: str = "") -> RawAnswer:
    """One GET as kubelet and Prometheus send it: the Host is the pod's address."""
    return await ask_admin(port_of(gateway.admin_url), path, host="10.1.2.3:9090", fields=fields)


def _overrides(container: dict[str, Any]) -> dict[str, str]:
    """The environment of a container in the namespace `shop`."""
    fields = {"metadata.namespace": "shop"}
    return {
        each["name"]: each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container.get("env", ())
    }


def test_c10_the_prefix_of_the_store_is_the_namespace(tmp_path: Path) -> None:
    """Variables of the manifest are overrides: a name that is none would have no effect, and no error."""
    environ = _overrides(CONTAINER)
    assert all(name.startswith("GATEWAY__") for name in environ)
    config = tmp_path / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", admin={"listen": "127.0.0.1:0"})))
    options = options_of(load_resolved(config, {**ENVIRON, **environ}))
    assert options.store_prefix == "shop"


def test_the_page_is_reached_as_the_docs_say() -> None:
    """`kubectl port-forward` of the runbook names a Service that there is, and the admin port behind it."""
    docs = (ROOT / "docs/operations.md").read_text("utf-8")
    (line,) = re.findall(r"kubectl -n (\S+) port-forward service/(\S+) (\d+):(\d+)", docs)
    namespace, service, _, port = line
    assert namespace == KUSTOMIZATION["namespace"]
    (wanted,) = [each for each in at(the("Service", service), "spec.ports") if each["port"] == int(port)]
    assert PORTS[wanted["targetPort"]] == int(SETTINGS["admin"]["listen"].rpartition(":")[2])
    assert at(the("Service", service), "spec.selector").items() <= LABELS.items()
    assert SETTINGS["admin"]["page_token"]["file"].endswith("/page_token")
