#!/bin/sh
# opentelemetry-sdk 1.45.1 (PyPI) and @opentelemetry/sdk-metrics 2.12.1 (npm), as they come: one counter with 5,000 callers in an attribute.
#
# Guess: both hold 2,000 series, the default limit of the specification, and count the rest in one with `otel.metric.overflow`; so the label of
# a caller may be missing, in both alike, and the memory of a long run has a bound.
#
# Seen: Node does so from the 2,000th on: 3,001 calls lose their caller, without a word in the log. Python has no limit: 5,000 series, kept
# and exported for as long as the process lives. Dashboards of the same metric from two services disagree, and a label that grows
# costs memory and bandwidth in the one and the label in the other.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-sdk==1.45.1 2>/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/sdk-metrics@2.12.1 @opentelemetry/api@1.9.1 >/dev/null
cat > run.py <<'PY'
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
counter = MeterProvider([reader]).get_meter("calls").create_counter("calls")
for caller in range(5000):
    counter.add(1, {"caller": str(caller)})
points = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
overflow = sum(point.value for point in points if "otel.metric.overflow" in point.attributes)
print(f"Python: {len(points)} series, {overflow} calls in the overflow")
PY
cat > run.js <<'JS'
const { MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics');

class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

async function main() {
  const reader = new Reader();
  const counter = new MeterProvider({ readers: [reader] }).getMeter('calls').createCounter('calls');
  for (let caller = 0; caller < 5000; caller += 1) counter.add(1, { caller: String(caller) });
  const { resourceMetrics } = await reader.collect();
  const points = resourceMetrics.scopeMetrics[0].metrics[0].dataPoints;
  const overflow = points.filter((point) => 'otel.metric.overflow' in point.attributes);
  console.log(`Node: ${points.length} series, ${overflow.reduce((sum, point) => sum + point.value, 0)} calls in the overflow`);
}

main();
JS
{ venv/bin/python run.py; node run.js; } | tee seen
cat > want <<'END'
Python: 5000 series, 0 calls in the overflow
Node: 2000 series, 3001 calls in the overflow
END
diff want seen
