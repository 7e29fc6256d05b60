"""C2: what an answer costs that nobody reads is bounded, socket buffers aside (`docs/performance.md`)."""

from pathlib import Path

import pytest

from gateway.app.file_descriptors import allow_descriptors
from tests.bench.memory import rss_bytes
from tests.bench.processes import ROOT
from tests.bench.unread_answers import serving, unread

_READERS = 150
_WARM_UP = 30


@pytest.mark.parametrize(("kind", "most_kib"), [("plain", 128), ("tls", 450)])
def test_c2_memory_of_a_stalled_reader(kind: str, most_kib: int, tmp_path: Path) -> None:
    allow_descriptors(1024)
    with serving(tmp_path / kind, ROOT, _READERS, tls=kind == "tls") as gateway:
        with unread(gateway, _WARM_UP):
            pass
        before = rss_bytes(gateway)
        with unread(gateway, _READERS):
            each = (rss_bytes(gateway) - before) / _READERS / 1024
    assert 16 < each < most_kib
