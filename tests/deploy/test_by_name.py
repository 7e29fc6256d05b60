"""The examples that lead Twilio's names to the gateway: dnsmasq runs, manifests patch what is shipped."""

import asyncio
import socket
from pathlib import Path

import pytest
import yaml

from gateway.upstream.connection_opener import make_resolver
from tests.clients.programs import require_tool

FOLDER = Path(__file__).parents[2] / "deploy" / "by-name"


async def test_dnsmasq_leads_twilios_names_to_the_gateway() -> None:
    program = require_tool("dnsmasq")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        program, "-k", "-C", str(FOLDER / "dnsmasq.conf"), "-p", str(port), "-a", "127.0.0.1",
        "--bind-interfaces", "--pid-file=", "-u", "root", "--log-facility=-",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert b"started" in await process.stderr.readuntil(b"started")
        resolver = make_resolver([f"127.0.0.1:{port}"])
        assert resolver is not None
        for name in ("api.twilio.com", "verify.dublin.ie1.twilio.com"):
            found = await resolver.resolve(name, 443, socket.AF_INET)
            assert [each["host"] for each in found] == ["10.0.0.5"]
        await resolver.close()
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_manifests_name_what_they_patch(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    assert {"apiVersion", "kind", "metadata"} <= manifest.keys()
    if path.name == "coredns-configmap.yaml":
        assert "twilio.com:53 {" in manifest["data"]["twilio.server"]
        return
    shipped = (Path(__file__).parents[2] / "deploy" / "kubernetes").glob("*.yaml")
    documents = [each for file in shipped for each in yaml.safe_load_all(file.read_text())]
    names = {(each["kind"], each["metadata"].get("name")) for each in documents if "metadata" in each}
    assert (manifest["kind"], manifest["metadata"]["name"]) in names


def test_the_gateways_pods_do_not_ask_the_clusters_dns() -> None:
    manifest = yaml.safe_load((FOLDER / "gateway-patch.yaml").read_text())
    assert manifest["spec"]["template"]["spec"]["dnsPolicy"] == "None"
