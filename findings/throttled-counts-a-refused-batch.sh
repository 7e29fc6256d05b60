#!/bin/sh
# throttled-py 3.5.0 (PyPI), `sliding_window` in memory, 10 a second: ten singles, and from then on, at the start of each second, a batch of
# cost 10, which is refused while anything of the former second counts, and half a second later ten singles.
#
# Guess: what is refused costs nothing, so about five of the ten singles pass (half of the former second still counts). If a library
# charges for refusals, then for all of them.
#
# Seen: the first request of each second is charged whether it passes or not, and no other one that is refused. So the refused batch
# takes its whole second, and counts against itself and all others in the next one: nothing passes any more, for as long as it asks. Behind a
# request of cost 0 the same batch costs nothing. (The library's script for Redis was read, not run: it charges for what passes.)
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check throttled-py==3.5.0 2>/dev/null
cat > run.py <<'PY'
import throttled.utils
from throttled import MemoryStore, Throttled, rate_limiter

clock = 1_000_000_000  # in milliseconds
throttled.utils.now_ms = lambda: clock
throttled.utils.now_sec = lambda: clock // 1000
throttled.utils.now_mono_f = lambda: clock / 1000


def passed(limiter, count=1, cost=1):
    return sum(not limiter.limit(cost=cost).limited for _ in range(count))


def seconds(first=None):
    global clock
    quota = rate_limiter.per_sec(10, burst=10)
    limiter = Throttled(key="k", using="sliding_window", quota=quota, store=MemoryStore())
    clock += 100_000
    shown = [f"{passed(limiter, 10)} singles"]
    for _ in range(4):
        clock += 1000
        if first is not None:
            passed(limiter, cost=first)
        batch = passed(limiter, cost=10)
        clock += 500
        shown.append(f"batch {batch}, singles {passed(limiter, 10)}")
        clock -= 500
    return "; ".join(shown)


print("the batch comes first:", seconds())
print("behind a cost of 0:   ", seconds(first=0))
PY
venv/bin/python run.py | tee seen
cat > want <<'END'
the batch comes first: 10 singles; batch 0, singles 0; batch 0, singles 0; batch 0, singles 0; batch 0, singles 0
behind a cost of 0:    10 singles; batch 0, singles 5; batch 0, singles 8; batch 0, singles 6; batch 0, singles 7
END
diff want seen
