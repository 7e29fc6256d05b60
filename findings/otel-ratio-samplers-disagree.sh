#!/bin/sh
# opentelemetry-sdk 1.45.1 (PyPI) and @opentelemetry/sdk-trace-base 2.12.1 (npm): `TraceIdRatioBased` with a ratio of 0.1 in both, asked for the
# same 4,000 trace ids.
#
# Guess: the decision is a function of the trace id, so that services that sample apart from each other keep the same traces: what Python
# keeps, Node keeps. A few ids at the threshold may differ by rounding.
#
# Seen: each keeps a tenth, and of what the one keeps the other keeps a tenth: 45 of 402, as if they threw dice. Python compares the
# last eight bytes of the id, Node folds all four words of it into one. Where a service does not obey its caller's flag (behind a proxy
# that drops `traceparent`, or to be safe from its callers), one trace in a hundred is whole, not one in ten.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-sdk==1.45.1 2>/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/sdk-trace-base@2.12.1 @opentelemetry/api@1.9.1 >/dev/null
cat > run.py <<'PY'
from hashlib import sha256

from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

sampler = TraceIdRatioBased(0.1)
for number in range(4000):
    trace_id = sha256(str(number).encode()).hexdigest()[:32]
    print(trace_id, int(sampler.should_sample(None, int(trace_id, 16), "call").decision.is_sampled()))
PY
cat > run.js <<'JS'
const { TraceIdRatioBasedSampler, SamplingDecision } = require('@opentelemetry/sdk-trace-base');

const sampler = new TraceIdRatioBasedSampler(0.1);
const seen = { python: 0, node: 0, both: 0 };
for (const line of require('fs').readFileSync('python.txt', 'utf8').trim().split('\n')) {
  const [traceId, kept] = line.split(' ');
  const node = sampler.shouldSample(undefined, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
  seen.python += Number(kept);
  seen.node += Number(node);
  seen.both += Number(node && kept === '1');
}
console.log(`of 4000: Python keeps ${seen.python}, Node ${seen.node}, both ${seen.both}`);
JS
venv/bin/python run.py > python.txt
node run.js | tee seen
echo 'of 4000: Python keeps 402, Node 407, both 45' | diff - seen
