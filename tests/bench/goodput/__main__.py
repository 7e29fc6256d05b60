"""Goodput in front of an upstream whose concurrency limit nobody is told (docs/design.md 7).

`python -m tests.bench.goodput [--short] [--only WORDS]`: closed-loop callers, five for each slot, creating
messages that take 50 ms; through the gateway, directly, and by plain aiohttp-retry. Ideal is the limit over
the mean service time. `--ways gateway` leaves the others out.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from tests.bench.goodput.measure import Result, Scenario, measure

SCENARIOS = (
    *(Scenario(f"limit {limit}", limit) for limit in (20, 5, 100)),
    Scenario("limit 20, then 10, then 20", 20, changes=((1 / 3, 10), (2 / 3, 20))),
    *(Scenario(f"limit {limit}, log-normal", limit, sigma=0.8) for limit in (20, 5, 100)),
    *(Scenario(f"two replicas, limit {limit}", limit, seconds=40, replicas=2) for limit in (20, 5, 100)),
    *(
        Scenario(f"two replicas, Redis, limit {limit}", limit, replicas=2, redis=True)
        for limit in (20, 5, 100)
    ),
)
WAYS = ("gateway", "direct", "aiohttp-retry")
_COMPARED = ("limit 20", "limit 5", "limit 100")
_COMPARED_SECONDS = 8.0
_NEWCOMER_PART = 0.25


def _line(way: str, scenario: Scenario, result: Result) -> str:
    calls = result.succeeded + result.failed
    text = (
        f"  {way:<14} goodput {result.goodput:6.3f}   waste {result.waste:7.4f}"
        f"   failed {result.failed} of {calls}   wait p50 {result.wait(0.5) * 1000:6.1f} ms"
        f"   p99 {result.wait(0.99) * 1000:7.1f} ms   service {result.service_seconds * 1000:5.2f} ms"
    )
    return text + (f"   CPU {result.cpu:.0%}" if way == "gateway" else "")


def _targets(scenario: Scenario) -> str:
    if scenario.replicas == 1:
        return "goodput >= 0.97, waste <= 0.02, failed 0"
    joined = "40 to 60 % within 3 s" if scenario.redis else "a quarter within 15 s"
    waste = 0.03 if scenario.limit <= 5 else 0.02
    return f"goodput >= 0.95, waste <= {waste}, failed 0, {joined}"


def _shares(parts: list[float]) -> str:
    reached = next((second for second, part in enumerate(parts, 1) if part >= _NEWCOMER_PART), None)
    when = f"after {reached} s" if reached is not None else "never"
    return f"  newcomer: a quarter {when}; each second: {' '.join(f'{part:.0%}' for part in parts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a caller of the gateway saw a failure; never because of another figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="two seconds each: only to see that it runs")
    parser.add_argument("--only", default="", metavar="WORDS", help="scenarios whose name has these words")
    parser.add_argument("--seconds", type=float, help="measured of each (default: 30; two replicas: 40)")
    parser.add_argument("--ways", default=",".join(WAYS))
    args = parser.parse_args(arguments)
    failed = False
    for scenario in SCENARIOS:
        if args.only not in scenario.name:
            continue
        print(f"{scenario.name}   ({_targets(scenario)})", flush=True)
        for way in args.ways.split(","):
            if way != "gateway":
                if scenario.name not in _COMPARED:
                    continue
                chosen = replace(scenario, warm_up=2.0, seconds=_COMPARED_SECONDS)
            else:
                chosen = scenario
            if args.seconds:
                chosen = replace(chosen, seconds=args.seconds)
            if args.short:
                chosen = replace(chosen, warm_up=0.5, seconds=8.0 if chosen.changes else 1.5)
            result = measure(chosen, way)
            print(_line(way, chosen, result), flush=True)
            if result.newcomer:
                print(_shares(result.newcomer), flush=True)
            if way == "gateway" and result.failed:
                failed = True
                print(f"  failures since the start: {result.failures}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
