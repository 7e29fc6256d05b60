"""The benchmarks run and see good answers only; what they measure is not asserted."""

import shutil

import pytest

from tests.bench import hostile, latency, memory, scrape, soak, stages, throughput


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_throughput() -> None:
    assert throughput.main(["--short"]) == 0


def test_memory() -> None:
    assert memory.main(["--short"]) == 0


def test_latency() -> None:
    assert latency.main(["--short"]) == 0


def test_stages() -> None:
    assert stages.main(["--short"]) == 0


def test_hostile() -> None:
    assert hostile.main(["--short"]) == 0


def test_soak() -> None:
    assert soak.main(["--short"]) == 0


def test_scrape() -> None:
    """The size of the exposition is asserted: under a megabyte with 200 consumers and every route."""
    assert scrape.main(["--short"]) == 0
