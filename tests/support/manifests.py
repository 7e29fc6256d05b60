"""The manifests of deploy/kubernetes, as parsed: the pod, its containers, and what they are called."""

from pathlib import Path
from typing import Any

from tests.support.mounted import at, documents

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION = documents(FOLDER / "kustomization.yaml")[0]
CONFIG = FOLDER / "gateway.yaml"
SETTINGS = documents(CONFIG)[0]
NAME = "twilio-gateway"
SECRETS_AT = "/run/secrets/twilio-gateway"
MANIFESTS = [manifest for name in KUSTOMIZATION["resources"] for manifest in documents(FOLDER / name)]


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def the(kind: str, name: str = NAME) -> Any:
    """The one manifest of a kind and name."""
    (found,) = [one for one in MANIFESTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


POD = at(the("Deployment"), "spec.template.spec")
(CONTAINER,) = POD["containers"]
(GATE,) = POD["initContainers"]
