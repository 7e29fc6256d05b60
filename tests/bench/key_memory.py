"""What it costs to remember the use of many consumer keys.

`python -m tests.bench.key_memory [--keys 10000]`: each key is used from 20 addresses, more than are kept;
printed is the memory of the records by `tracemalloc`, and the size of what is stored of them.
"""

import argparse
import hashlib
import json
import tracemalloc

from gateway.key_usage.known_key import MOST_ADDRESSES, KnownKey

_NOW = 1_800_000_000.0
_ADDRESSES = 20


def make(number: int) -> KnownKey:
    """A key that was used from many addresses."""
    known = KnownKey(f"consumer-{number}", _NOW + number, _NOW + number)
    for last in range(_ADDRESSES):
        known.use(_NOW + number + last, f"10.{number // 250 % 250}.{number % 250}.{last}")
    return known


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(prog="tests.bench.key_memory", description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000)
    count = parser.parse_args().keys
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    known = {hashlib.sha256(b"%d" % number).hexdigest(): make(number) for number in range(count)}
    used = tracemalloc.get_traced_memory()[0] - before
    stored = sum(len(digest) + len(json.dumps(each.as_json())) for digest, each in known.items())
    print(
        f"{count} keys with {MOST_ADDRESSES} addresses each: {used / 2**20:.1f} MiB in memory "
        f"({used / count:.0f} bytes a key), {stored / 2**20:.1f} MiB stored"
    )


if __name__ == "__main__":
    main()
