#!/bin/sh
# uvloop 0.23.0 beside asyncio: a pause that spreads 2,500 calls over a second, `asyncio.sleep(0.0004)`, and timers less than a
# millisecond apart.
#
# Guess: libuv counts whole milliseconds, so uvloop rounds a delay up; a pause is never shorter than what was asked for, as in
# asyncio, and of two timers the one that is due first runs first.
#
# Seen: uvloop rounds to the *nearest* millisecond. Half a millisecond and less is no pause at all, so that the loop that was to be held to
# 2,500 a second runs as fast as it can; a pause of 1.4 ms may end after 1. Timers that round to the same millisecond run in
# the order in which they were made, the last due first.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check uvloop==0.23.0 2>/dev/null
cat > run.py <<'PY'
import asyncio
import time

import uvloop


async def shortest(seconds: float) -> float:
    """Of 200 pauses, so that a busy machine does not hide it."""
    taken = []
    for _ in range(200):
        begun = time.perf_counter()
        await asyncio.sleep(seconds)
        taken.append(time.perf_counter() - begun)
    return min(taken)


async def order() -> list[float]:
    """In which three timers run, the last due made first."""
    loop = asyncio.get_running_loop()
    now, ran = loop.time(), []
    for milliseconds in (20.4, 20.2, 20.0):
        loop.call_at(now + milliseconds / 1000, ran.append, milliseconds)
    while len(ran) < 3:
        await asyncio.sleep(0.01)
    return ran


async def main(name: str) -> None:
    for seconds in (0.0004, 0.0014):
        short = await shortest(seconds) < seconds
        print(f"{name}: a pause of {seconds * 1000} ms is {'shorter than asked' if short else 'never shorter'}")
    orders = [await order() for _ in range(20)]
    early = any(order != sorted(order) for order in orders)
    print(f"{name}: timers due 20.4, 20.2 and 20.0 ms from now {'run in another order' if early else 'run by their time'}")


asyncio.run(main("asyncio"))
uvloop.run(main("uvloop"))
PY
venv/bin/python run.py | tee seen
cat > want <<'END'
asyncio: a pause of 0.4 ms is never shorter
asyncio: a pause of 1.4 ms is never shorter
asyncio: timers due 20.4, 20.2 and 20.0 ms from now run by their time
uvloop: a pause of 0.4 ms is shorter than asked
uvloop: a pause of 1.4 ms is shorter than asked
uvloop: timers due 20.4, 20.2 and 20.0 ms from now run in another order
END
diff want seen
