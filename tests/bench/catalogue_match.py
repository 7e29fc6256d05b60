"""`python tests/bench/catalogue_match.py`: microseconds per match of every route, beside a dict's look-up."""

import time
from collections.abc import Callable
from statistics import median

from gateway.twilio.catalogue import load_catalogue

ROUNDS = 5
REPEATS = 200


def measure(call: Callable[..., object], *arguments: object) -> float:
    """The best of `ROUNDS`, in microseconds per call."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(REPEATS):
            call(*arguments)
        best = min(best, time.perf_counter() - begun)
    return best / REPEATS * 1e6


def main() -> None:
    begun = time.perf_counter()
    catalogue = load_catalogue()
    print(
        f"load                {(time.perf_counter() - begun) * 1e3:8.1f} ms, {len(catalogue.routes)} routes"
    )
    sid = "SM00112233445566778899aabbccddeeff"
    calls = [
        (
            route.product,
            route.method,
            "/".join(sid if s.startswith("{") else s for s in route.template.split("/")),
        )
        for route in catalogue.routes
    ]
    plain = dict(zip(calls, catalogue.routes, strict=True))
    matches = sorted((measure(catalogue.match, *call), call) for call in calls)
    lookups = [measure(lambda *key: plain.get(key), *call) for call in calls]
    middle, usual = median(time for time, _ in matches), median(lookups)
    print(
        f"match, median       {middle:8.2f} µs, {middle / usual:.1f} times a dict's look-up ({usual:.2f} µs)"
    )
    print(f"match, slowest      {matches[-1][0]:8.2f} µs, {' '.join(matches[-1][1])}")
    print(
        f"unknown             {measure(catalogue.match, 'api', 'GET', '/2010-04-01/Nothing/' + sid):8.2f} µs"
    )
    print(f"16 kB of slashes    {measure(catalogue.match, 'api', 'GET', '/a' * 8192):8.2f} µs")


if __name__ == "__main__":
    main()
