"""The Compose file: what it names is there, who talks to whom, and that nobody has more than is needed.

No engine is asked: what is checked is the file, and the programs that can run here with their parts of it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.config.schema.upstream_settings import Upstream
from tests.clients.programs import require_tool
from tests.support.mounted import at, checked, documents, files_named, mount

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
COMPOSE = documents(FOLDER / "compose.yaml")[0]
SERVICES = COMPOSE["services"]
CONFIG = FOLDER / "compose/gateway/gateway.yaml"
PROMETHEUS = documents(FOLDER / "compose/prometheus.yaml")[0]
SETTINGS = documents(CONFIG)[0]


def binds(service: str) -> dict[str, Path]:
    """Target -> source of what is mounted from this folder."""
    pairs = [volume.split(":") for volume in SERVICES[service].get("volumes", ())]
    return {target: FOLDER / source for source, target, *_ in pairs if source.startswith("./")}


def published(service: str) -> list[list[str]]:
    """[address, outer port, inner port] of each."""
    return [port.split(":") for port in SERVICES[service].get("ports", ())]


def test_who_is_there() -> None:
    assert SERVICES.keys() == {"gateway", "redis", "prometheus", "grafana"}
    known = {
        "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "networks",
        "ports", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "tmpfs", "user",
        "volumes",
    }  # fmt: skip
    assert set().union(*SERVICES.values()) == known
    assert COMPOSE.keys() == {"name", "x-hardened", "services", "secrets", "networks", "volumes"}


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_has_more_than_is_needed(service: str) -> None:
    has = SERVICES[service]
    assert has["read_only"] is True
    assert has["cap_drop"] == ["ALL"]
    assert has["security_opt"] == ["no-new-privileges:true"]
    assert {address for address, _, _ in published(service)} <= {"127.0.0.1"}
    assert all(volume.endswith(":ro") for volume in has.get("volumes", ()) if volume.startswith("./"))


@pytest.mark.parametrize("service", SERVICES)
def test_images_have_an_exact_version(service: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+[\w.-]*", SERVICES[service]["image"])


@pytest.mark.parametrize("service", SERVICES)
def test_health_is_known(service: str) -> None:
    """Each asks itself at a port where it listens; the gateway's question is in its image."""
    if service == "gateway":
        assert (ROOT / at(SERVICES[service], "build.dockerfile")).read_text().count("\nHEALTHCHECK ") == 1
        return
    test = SERVICES[service]["healthcheck"]["test"]
    assert test[0] in ("CMD", "CMD-SHELL")
    assert len(test) > 1


def test_what_is_named_is_there() -> None:
    """Networks, volumes, secrets, files, and whom one waits for."""
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= COMPOSE["networks"].keys(), name
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys(), name
        assert set(service.get("depends_on", ())) <= SERVICES.keys(), name
        sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert {source for source in sources if not source.startswith("./")} <= COMPOSE["volumes"].keys(), (
            name
        )
        assert [source for source in binds(name).values() if not source.exists()] == [], name
    assert (FOLDER / at(SERVICES["gateway"], "build.context")).resolve() == ROOT


def test_outer_ports_are_different() -> None:
    outer = [port for service in SERVICES for _, port, _ in published(service)]
    assert len(outer) == len(set(outer))


def test_only_the_gateway_reaches_redis() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "store" in service["networks"]} == {
        "gateway",
        "redis",
    }
    assert SERVICES["redis"]["networks"] == ["store"]
    assert re.match(r"redis://redis:6379/", SETTINGS["store"])
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_secrets_are_files_that_git_never_sees() -> None:
    """Each is used, described where it is made, and left out of the repository."""
    folder = FOLDER / "compose/secrets"
    readme = (folder / "README.md").read_text()
    for name, secret in COMPOSE["secrets"].items():
        assert (FOLDER / secret["file"]).parent == folder
        assert f"> {name}" in readme
    used = set().union(*(service.get("secrets", ()) for service in SERVICES.values()))
    assert used == COMPOSE["secrets"].keys()
    assert (folder / ".gitignore").read_text().split() == ["*", "!.gitignore", "!README.md"]


def test_the_recipe_makes_the_secrets(tmp_path: Path) -> None:
    """The README's commands, run as they stand: every file is there, filled, and readable by any user."""
    text = (FOLDER / "compose/secrets/README.md").read_text()
    (recipe,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    require_tool("openssl")
    environ = {
        "TWILIO_ACCOUNT_SID": "a",
        "TWILIO_API_KEY": "b",
        "TWILIO_API_SECRET": "c",
        "PATH": "/usr/bin:/bin",
    }
    subprocess.run(["sh", "-eu", "-c", recipe], cwd=tmp_path, env=environ, check=True, timeout=180)
    made = {path.name: path for path in tmp_path.iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o444}
    assert min(path.stat().st_size for path in made.values()) == 1
    assert made["metrics_token"].stat().st_size == 65


def test_the_gateway_reads_what_is_mounted() -> None:
    mounted = {f"/run/secrets/{name}" for name in SERVICES["gateway"]["secrets"]}
    assert files_named(SETTINGS) == mounted
    (target,) = binds("gateway")
    assert f'"{target}/{CONFIG.name}"]' in (ROOT / "Dockerfile").read_text()
    assert binds("gateway")[target] == CONFIG.parent
    inner = {int(port) for _, _, port in published("gateway")}
    assert inner == {int(at(SETTINGS, path).split(":")[1]) for path in ("listen", "admin.listen")}
    (grace,) = re.findall(r"^(\d+)s$", SERVICES["gateway"]["stop_grace_period"])
    assert SETTINGS["drain_seconds"] >= Upstream.model_fields["deadline_seconds_max"].default
    assert int(grace) > SETTINGS["drain_seconds"]


def test_the_configuration_is_good(tmp_path: Path) -> None:
    result = checked(mount(CONFIG, "/run/secrets", tmp_path))
    warned = [warning["key"] for warning in result.pop("warnings")]
    assert warned == ["listen"], "TLS ends in front, or is added by those who want it here"
    assert result == {"ok": True, "problems": [], "credentials": 1, "consumers": 1}


def test_prometheus_takes_its_configuration_and_the_alerts(tmp_path: Path) -> None:
    """promtool judges both, as they would be mounted."""
    promtool = require_tool("promtool")
    text = (FOLDER / "compose/prometheus.yaml").read_text()
    for target, source in binds("prometheus").items():
        if source.name != "prometheus.yaml":
            shutil.copy(source, tmp_path)
            assert target in PROMETHEUS["rule_files"]
            text = text.replace(target, str(tmp_path / source.name))
    token = tmp_path / "metrics_token"
    token.write_text("a")
    (tmp_path / "prometheus.yaml").write_text(text.replace("/run/secrets/metrics_token", str(token)))
    done = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "prometheus.yaml")],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"SUCCESS: [1-9]\d* rules found", done.stdout)


def test_prometheus_scrapes_the_gateway() -> None:
    """By the service's name in DNS, with the token, on the network that both are in."""
    (job,) = PROMETHEUS["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    (name,) = found["names"]
    assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert found["port"] == int(SETTINGS["admin"]["listen"].split(":")[1])
    assert job["authorization"]["credentials_file"] == at(SETTINGS, "admin.metrics_token.file")
    assert "metrics_token" in SERVICES["prometheus"]["secrets"]
    (config,) = re.findall(r"--config\.file=(\S+)", " ".join(SERVICES["prometheus"]["command"]))
    assert binds("prometheus")[config] == FOLDER / "compose/prometheus.yaml"
    (store,) = re.findall(r"--storage\.tsdb\.path=(\S+)", " ".join(SERVICES["prometheus"]["command"]))
    assert f"prometheus:{store}" in SERVICES["prometheus"]["volumes"]


def test_grafana_is_provisioned() -> None:
    """One source, which is Prometheus, and the dashboard, which asks no other."""
    mounted = {source: target for target, source in binds("grafana").items()}
    (source,) = documents(FOLDER / "compose/grafana/datasources.yaml")[0]["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    (provider,) = documents(FOLDER / "compose/grafana/dashboards.yaml")[0]["providers"]
    dashboard = FOLDER / "grafana/dashboard.json"
    assert str(Path(mounted[dashboard]).parent) == provider["options"]["path"]
    variables = {f"${{{name}}}" for name in _data_source_variables(json.loads(dashboard.read_text()))}
    asked = set(re.findall(r'"uid":\s*"([^"]+)",?\s*"type":\s*"prometheus"', dashboard.read_text()))
    asked |= set(re.findall(r'"type":\s*"prometheus",\s*"uid":\s*"([^"]+)"', dashboard.read_text()))
    assert asked
    assert asked <= {source["uid"]} | variables


def _data_source_variables(dashboard: dict[str, Any]) -> list[str]:
    """Variables of a dashboard that choose a Prometheus: Grafana fills in the default one."""
    entries = dashboard.get("templating", {}).get("list", [])
    return [one["name"] for one in entries if (one["type"], one["query"]) == ("datasource", "prometheus")]
