#!/bin/sh
# circuitbreaker 2.1.3, aiobreaker 1.2.0, purgatory 3.0.1 and hyx 0.0.2 (PyPI), opossum 9.0.0 and cockatiel 3.2.1 (npm): a breaker that three
# failures have opened, and 50 calls at the same time, each of which would fail after 0.3 s, once its pause is over.
#
# Guess: the breaker is half open then, and one call goes through to try the other side, as the pattern is described; 49 are refused at
# once. A library that lets more through has a setting for how many.
#
# Seen: both of Node's let one through. All four of Python's let all 50: the state changes when the first of them is *over*. A service
# that is down gets its full load after each pause, for as long as a call takes to fail, and every caller waits for that long.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check circuitbreaker==2.1.3 aiobreaker==1.2.0 purgatory==3.0.1 hyx==0.0.2 2>/dev/null
npm install --silent --no-audit --no-fund opossum@9.0.0 cockatiel@3.2.1 >/dev/null
cat > run.py <<'PY'
import asyncio
from datetime import timedelta

import aiobreaker
import circuitbreaker
import purgatory
from hyx.circuitbreaker import consecutive_breaker

first = circuitbreaker.CircuitBreaker(failure_threshold=3, recovery_timeout=1)
second = aiobreaker.CircuitBreaker(fail_max=3, timeout_duration=timedelta(seconds=1))
third = purgatory.AsyncCircuitBreakerFactory(default_threshold=3, default_ttl=1)
fourth = consecutive_breaker(failure_threshold=3, recovery_time_secs=1, recovery_threshold=1)


async def by_purgatory(call):
    async with await third.get_breaker("twilio"):
        await call()


async def tried(breaker):
    ran = 0

    async def call():
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.3)
        raise ConnectionError

    for _ in range(5):
        await asyncio.gather(breaker(call), return_exceptions=True)
    opened, ran = ran, 0
    await asyncio.sleep(1.5)
    await asyncio.gather(*(breaker(call) for _ in range(50)), return_exceptions=True)
    return f"{opened} of 5 opened it, {ran} of 50 tried it"


breakers = {"circuitbreaker": lambda call: first(call)(), "aiobreaker": second.call_async, "purgatory": by_purgatory,
            "hyx": lambda call: fourth(call)()}
for name, breaker in breakers.items():
    print(f"{name}: {asyncio.run(tried(breaker))}")
PY
cat > run.mjs <<'JS'
import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import CircuitBreaker from 'opossum';

async function tried(fire) {
  let ran = 0;
  const call = async () => { ran += 1; await new Promise((done) => setTimeout(done, 300)); throw new Error(); };
  for (let n = 0; n < 5; n += 1) await fire(call).catch(() => {});
  const opened = ran;
  ran = 0;
  await new Promise((done) => setTimeout(done, 1500));
  await Promise.allSettled(Array.from({ length: 50 }, () => fire(call)));
  return `${opened} of 5 opened it, ${ran} of 50 tried it`;
}

const first = new CircuitBreaker((call) => call(), { timeout: false, volumeThreshold: 3, resetTimeout: 1000 });
const second = circuitBreaker(handleAll, { halfOpenAfter: 1000, breaker: new ConsecutiveBreaker(3) });
console.log(`opossum: ${await tried((call) => first.fire(call))}`);
console.log(`cockatiel: ${await tried((call) => second.execute(call))}`);
process.exit();
JS
{ venv/bin/python run.py; node run.mjs; } | tee seen
cat > want <<'END'
circuitbreaker: 3 of 5 opened it, 50 of 50 tried it
aiobreaker: 3 of 5 opened it, 50 of 50 tried it
purgatory: 3 of 5 opened it, 50 of 50 tried it
hyx: 3 of 5 opened it, 50 of 50 tried it
opossum: 3 of 5 opened it, 1 of 50 tried it
cockatiel: 3 of 5 opened it, 1 of 50 tried it
END
diff want seen
