#!/bin/sh
# opentelemetry-exporter-otlp-proto-http 1.45.2 (PyPI) and @opentelemetry/exporter-trace-otlp-http 0.223.1 (npm): a collector that is over its
# quota and answers 200 with `partial_success`, three spans rejected and the reason, as OTLP has it for this case.
#
# Guess: both write a warning with the collector's words, the export is no full success, and the exporter's own metric counts three
# spans as failed, since the semantic conventions say just that of rejected spans.
#
# Seen: Node warns. Python does not read the answer: SUCCESS, not a line of opentelemetry's in a log at DEBUG, and
# `otel.sdk.exporter.span.exported` counts the three spans without `error.type`, as exported.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-exporter-otlp-proto-http==1.45.2 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts \
  @opentelemetry/exporter-trace-otlp-http@0.223.1 @opentelemetry/sdk-trace-base@2.12.1 @opentelemetry/api@1.9.1
cat > run.js <<'JS'
const { diag, DiagConsoleLogger, DiagLogLevel } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ALL);
const exporter = new OTLPTraceExporter({ url: process.argv[2] });
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
for (const name of ["a", "b", "c"]) provider.getTracer("test").startSpan(name).end();
provider.shutdown();
JS
cat > run.py <<'PY'
import json
import logging
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

os.environ["OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"] = "true"

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

REJECTED = {"rejected_spans": 3, "error_message": "over quota"}


class Collector(BaseHTTPRequestHandler):
    """Rejects three spans, in the encoding of the request."""

    def do_POST(self):
        if self.headers["Transfer-Encoding"]:  # Node sends chunks
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        body = ExportTraceServiceResponse(partial_success=REJECTED).SerializeToString()
        if kind == "application/json":
            body = json.dumps({"partialSuccess": {"rejectedSpans": "3", "errorMessage": "over quota"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Kept(logging.Handler):
    def emit(self, record):
        if record.name.startswith("opentelemetry"):
            lines.append(record.getMessage())


class Exporter(OTLPSpanExporter):
    def export(self, spans):
        results.append(super().export(spans).name)


server = HTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1/traces"
ran = subprocess.run(["node", "run.js", url], capture_output=True, text=True, check=True)
print(f"Node: {' '.join(line for line in ran.stderr.splitlines() if 'quota' in line)}")

lines, results = [], []
logging.basicConfig(level=logging.DEBUG, handlers=[Kept()])
reader = InMemoryMetricReader()
exporter = Exporter(endpoint=url, meter_provider=MeterProvider([reader]))
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
for name in ("a", "b", "c"):
    provider.get_tracer("test").start_span(name).end()
provider.force_flush()
print(f"Python: {results}, logged: {lines}")
for resource in json.loads(reader.get_metrics_data().to_json())["resource_metrics"]:
    for metric in (each for scope in resource["scope_metrics"] for each in scope["metrics"]):
        if metric["name"] == "otel.sdk.exporter.span.exported":
            for point in metric["data"]["data_points"]:
                print(f"Python: {metric['name']} {point['value']}, error.type {point['attributes'].get('error.type')}")
PY
venv/bin/python run.py | tee seen
cat > want <<'END'
Node: Received Partial Success response: {"rejectedSpans":"3","errorMessage":"over quota"}
Python: ['SUCCESS'], logged: []
Python: otel.sdk.exporter.span.exported 3, error.type None
END
diff want seen
