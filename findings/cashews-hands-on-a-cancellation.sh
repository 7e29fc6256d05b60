#!/bin/sh
# cashews 7.6.0, aiocache 0.12.3 and async-lru 2.4.0 (PyPI), each with its plain decorator: a token that is fetched through a cache, five
# requests that want it at the same time, and one of the five that gives up (its client is gone, or `asyncio.timeout` ends it).
#
# Guess: the other four get the token, since nobody cancelled them: the fetch goes on, or one of them begins it anew. If the fetch is lost,
# then because the one that began it gave up.
#
# Seen: so it is with aiocache and async-lru. With cashews all five get a CancelledError, also where the one that gave up only waited
# for another's fetch. That is no Exception: `except Exception` does not see it, and a server takes it for a client who left. One client that
# hangs up, or one short deadline, ends all requests that wait for the same key.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check cashews==7.6.0 aiocache==0.12.3 async-lru==2.4.0 2>/dev/null
cat > run.py <<'PY'
import asyncio

import aiocache
import async_lru
import cashews

cashews.cache.setup("mem://")
decorators = {
    "cashews": lambda fetch, key: cashews.cache(ttl="1m", key=key)(fetch),
    "aiocache": lambda fetch, key: aiocache.cached(key=key)(fetch),
    "async-lru": lambda fetch, key: async_lru.alru_cache()(fetch),
}


async def tried(decorate, key, who):
    started = asyncio.Event()

    async def fetch():
        started.set()
        await asyncio.sleep(1)
        return "token"

    cached = decorate(fetch, key)
    callers = [asyncio.create_task(cached()) for _ in range(5)]
    await started.wait()
    await asyncio.sleep(0.1)
    callers[who].cancel()
    got = await asyncio.gather(*callers, return_exceptions=True)
    return [str(value) if isinstance(value, str) else type(value).__name__ for value in got]


async def main():
    for name, decorate in decorators.items():
        for role, who in ("the one that fetches", 0), ("one that waits", 3):
            got = await tried(decorate, f"{name}:{who}", who)
            print(f"{name}, {role} gives up: {got.count('token')} tokens, {got.count('CancelledError')} cancelled")


asyncio.run(main())
PY
venv/bin/python run.py | tee seen
cat > want <<'END'
cashews, the one that fetches gives up: 0 tokens, 5 cancelled
cashews, one that waits gives up: 0 tokens, 5 cancelled
aiocache, the one that fetches gives up: 4 tokens, 1 cancelled
aiocache, one that waits gives up: 4 tokens, 1 cancelled
async-lru, the one that fetches gives up: 4 tokens, 1 cancelled
async-lru, one that waits gives up: 4 tokens, 1 cancelled
END
diff want seen
