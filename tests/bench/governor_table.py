"""The scenarios of docs/design.md 7, over several seeds."""

import sys
from collections.abc import Iterable
from functools import partial
from multiprocessing import Pool
from statistics import median

from tests.bench.governor_sim import Result, Scenario, Simulation


def _singles() -> Iterable[Scenario]:
    for log_normal in (False, True):
        kind = ", log-normal" if log_normal else ""
        for limit in (5, 20, 100):
            yield Scenario(f"1 replica, limit {limit}{kind}", limit, (5 * limit,), log_normal=log_normal)
        yield Scenario(
            f"1 replica, 40 halves{kind}", 40, (200,), changes=((10.0, 20),), log_normal=log_normal
        )
        yield Scenario(
            f"1 replica, 20 doubles{kind}", 20, (200,), changes=((10.0, 40),), log_normal=log_normal
        )
    yield Scenario("1 replica, limit 20, service 0.5 s", 20, (100,), service=0.5)


def _pairs(store: bool) -> Iterable[Scenario]:
    for log_normal in (False, True):
        for limit in (5, 20, 100):
            both = (limit * 5 // 2,) * 2
            kind = ", log-normal" if log_normal else ""
            words = f"2 replicas{', store' if store else ''}, limit {limit}{kind}"
            yield Scenario(words, limit, both, seconds=62, log_normal=log_normal, store=store)
            yield Scenario(
                f"{words}, one joins",
                limit,
                both,
                joins=10.0,
                measured_from=10.0,
                seconds=62,
                log_normal=log_normal,
                store=store,
            )


SCENARIOS = (
    *_singles(),
    *_pairs(store=False),
    *_pairs(store=True),
    Scenario("2 replicas, 20 doubles", 20, (100, 100), changes=((10.0, 40),)),
    Scenario("2 replicas, 40 halves", 40, (100, 100), changes=((10.0, 20),)),
    Scenario("4 replicas, limit 20, log-normal", 20, (25, 25, 25, 25), log_normal=True),
    Scenario("2 replicas, store, limit 20, 80 and 20 callers", 20, (80, 20), store=True),
)


def _reached(result: Result, scenario: Scenario, part: float) -> int:
    """Seconds from joining until the newcomer had its part for a whole second."""
    first = int(scenario.joins)
    shares = enumerate(result.shares(first), 1)
    return next((second for second, share in shares if share >= part), len(result.served))


def _span(values: list[float], places: int, worst: str) -> str:
    extreme = min(values) if worst == "min" else max(values)
    return f"{median(values):.{places}f} ({worst} {extreme:.{places}f})"


def _line(scenario: Scenario, results: list[Result]) -> str:
    """Medians over the seeds, and the worst of them."""
    cells = [
        f"{scenario.name:44}",
        f"goodput {_span([each.goodput for each in results], 3, 'min')}",
        f"waste {_span([each.waste for each in results], 4, 'max')}",
    ]
    if len(scenario.callers) == 2:
        fair_part = scenario.callers[1] / sum(scenario.callers)
        part = 0.8 * fair_part if scenario.store else 0.25 if scenario.limit > 5 else 0.19
        cells.append(
            f"{part:.0%} after {_span([_reached(each, scenario, part) for each in results], 0, 'max')} s"
        )
        settled = int(scenario.joins) + (3 if scenario.store else 15)
        fair = [
            sum(0.25 <= share <= 0.75 for share in shares) / len(shares)
            for shares in (each.shares(settled) for each in results)
        ]
        cells.append(f"within 25-75 % {_span(fair, 2, 'min')}")
        cells.append(
            f"mean share {median(sum(s) / len(s) for s in (r.shares(settled) for r in results)):.2f}"
        )
    return "  ".join(cells)


def _run(scenario: Scenario, seed: int) -> Result:
    return Simulation(scenario, seed).run()


def main() -> None:
    """Run every scenario whose name has the words in it, and print a line each."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    words = " ".join(sys.argv[2:])
    with Pool() as pool:
        for scenario in SCENARIOS:
            if words in scenario.name:
                print(_line(scenario, pool.map(partial(_run, scenario), range(seeds))), flush=True)
