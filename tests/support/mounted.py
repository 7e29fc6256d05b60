"""An example configuration of `deploy/` as a container would have it: its secrets mounted, somewhere else."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.running import ENVIRON

SECRETS = {
    "metrics_token": "metrics-token-of-a-test-0123456789abcdef",
    "page_token": "page-token-of-a-test-0123456789abcdef",
    "redis_url": "redis://127.0.0.1:1/0",
    "store_key": base64.b64encode(b"k" * 32).decode(),
    **{name.lower(): value for name, value in ENVIRON.items()},
}
"""What the mounted files hold, by name. Nothing listens at that Redis."""


def mount(config: Path, secrets_at: str, folder: Path) -> Path:
    """A copy of `config` in `folder`, with secrets there instead of at `secrets_at`, which it must name."""
    text = config.read_text()
    assert f"{secrets_at}/" in text
    for name, value in SECRETS.items():
        (folder / name).write_text(value + "\n")
    copy = folder / "gateway.yaml"
    copy.write_text(text.replace(f"{secrets_at}/", f"{folder}/"))
    return copy


def files_named(value: object) -> set[str]:
    """All `{file: PATH}` of a configuration."""
    if isinstance(value, list):
        return set().union(*map(files_named, value))
    if isinstance(value, dict):
        below = set().union(*map(files_named, value.values()))
        return below | ({value["file"]} if "file" in value else set())
    return set()


def checked(config: Path, **environ: str) -> dict[str, Any]:
    """What `gateway check --json` says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--json", "--config", str(config)],
        env={"PATH": os.environ["PATH"], **environ}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def documents(path: Path) -> list[Any]:
    """All documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


def at(value: Mapping[str, Any], path: str) -> Any:
    """`spec.template.spec` of a manifest."""
    for name in path.split("."):
        value = value[name]
    return value
