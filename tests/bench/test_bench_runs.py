"""The benchmarks run and see good answers only; what they measure is not asserted."""

import shutil

import pytest

from tests.bench import (
    footprint,
    guard_cost,
    hostile,
    instructions,
    latency,
    memory,
    reload_stalls,
    scrape,
    side_by_side,
    soak,
    stages,
    stalls,
    streaming,
    throughput,
    unread_answers,
    webhooks,
)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_throughput() -> None:
    assert throughput.main(["--short"]) == 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_webhooks() -> None:
    assert webhooks.main(["--short"]) == 0


def test_guard_cost() -> None:
    assert guard_cost.main(["--creates", "80", "--callers", "4"]) == 0


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


def test_reload_stalls() -> None:
    """Every reload is applied while the caller gets the answers it should."""
    assert reload_stalls.main(["--short"]) == 0


def test_scrape() -> None:
    """The size of the exposition is asserted: under a megabyte with 200 consumers and every route."""
    assert scrape.main(["--short"]) == 0


@pytest.mark.skipif(shutil.which("callgrind_control") is None, reason="valgrind is not installed")
def test_instructions() -> None:
    assert instructions.main(["--short"]) == 0


@pytest.mark.skipif(not side_by_side.installed(), reason="`make test` installs Caddy and Envoy")
def test_side_by_side() -> None:
    assert side_by_side.main(["--short"]) == 0


def test_streaming() -> None:
    assert streaming.main(["--short"]) == 0


def test_unread_answers() -> None:
    assert unread_answers.main(["--short"]) == 0


def test_stalls() -> None:
    assert stalls.main(["--short"]) == 0


def test_footprint() -> None:
    assert footprint.main(["--short"]) == 0
