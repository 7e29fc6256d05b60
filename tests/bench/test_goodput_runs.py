"""The benchmarks of admission run, and no caller of the gateway is failed; figures are not asserted.

Side effects and the retry storm: `tests/integration/test_storm.py`.
"""

import pytest

from tests.bench import fairness
from tests.bench.goodput.__main__ import main


@pytest.mark.parametrize("words", ["limit 20, log-normal", "two replicas, limit 20"])
def test_goodput(words: str) -> None:
    assert main(["--short", "--ways", "gateway", "--only", words]) == 0


def test_another_way_of_calling_is_measured_too() -> None:
    assert main(["--short", "--ways", "aiohttp-retry", "--only", "limit 5"]) == 0


def test_fairness() -> None:
    assert fairness.main(["--short"]) == 0
