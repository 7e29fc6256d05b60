"""D7: which ports `gateway demo` takes where the documented ones are taken."""

from pathlib import Path

import pytest

from gateway.commands import demo
from gateway.config.loading.resolve import load_resolved
from tests.unit.config.conftest import ENVIRON, GOOD


def test_d7_no_port_behind_the_last_one_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are taken: the documented one stays, and the error names it."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"listen: 127.0.0.1:65530\n{GOOD}")
    tried: list[int] = []

    def is_taken(host: str, port: int) -> bool:
        tried.append(port)
        return False

    monkeypatch.setattr(demo, "_is_free", is_taken)
    assert demo._free_ports(load_resolved(path, ENVIRON)) == {}
    assert [port for port in tried if port > 60_000] == list(range(65_530, 65_536))
