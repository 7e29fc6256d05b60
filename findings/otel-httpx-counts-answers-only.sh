#!/bin/sh
# opentelemetry-instrumentation-httpx 0.66b1 and opentelemetry-instrumentation-aiohttp-client 0.66b1 (OpenTelemetry 1.45.1), httpx 0.28.1 and
# aiohttp 3.14.5: a server that answers one call, and lets three hang: one is ended by the client's own time-out, one by
# `asyncio.timeout`, one meets a refused connection.
#
# Guess: `http.client.request.duration` has four records, three of them with `error.type`, as the semantic conventions require, and the three
# spans are errors. A cancelled call is the doubtful one; if it is treated otherwise, then by both.
#
# Seen: aiohttp's is as guessed. httpx's metric has one record: a call without an answer is in no histogram, so that neither the rate
# of errors nor the 99th percentile moves when the other side hangs. The span of the call that `asyncio.timeout` ended is
# exported with status UNSET and without `error.type`, as that of a call that went well.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-sdk==1.45.1 opentelemetry-instrumentation-httpx==0.66b1 \
  opentelemetry-instrumentation-aiohttp-client==0.66b1 httpx==0.28.1 aiohttp==3.14.5 2>/dev/null
cat > run.py <<'PY'
import asyncio

import aiohttp
import httpx
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


async def serve(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    if b"/hangs" not in head:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
    await reader.read()
    writer.close()


async def by_aiohttp(url, seconds):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session, session.get(url):
        pass


async def by_httpx(url, seconds):
    async with httpx.AsyncClient(timeout=seconds) as client:
        await client.get(url)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for name, call, instrumentor in ("aiohttp", by_aiohttp, AioHttpClientInstrumentor()), ("httpx", by_httpx, HTTPXClientInstrumentor()):
        spans, reader, traces = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(spans))
        instrumentor.instrument(tracer_provider=traces, meter_provider=MeterProvider([reader]))
        await call(f"{url}/answers", 30)
        for target, own, outer in (f"{url}/hangs", 0.5, 30), (f"{url}/hangs", 30, 0.5), ("http://127.0.0.1:1/", 30, 30):
            try:
                async with asyncio.timeout(outer):
                    await call(target, own)
            except (TimeoutError, httpx.HTTPError, aiohttp.ClientError):
                continue
            raise AssertionError("it has to fail")
        metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        points = next(metric for metric in metrics if "duration" in metric.name).data.data_points
        states = [span.status.status_code.name for span in spans.get_finished_spans()]
        print(f"{name}: 4 calls, spans {' '.join(states)}, durations {sum(point.count for point in points)}")


asyncio.run(main())
PY
OTEL_SEMCONV_STABILITY_OPT_IN=http venv/bin/python run.py | tee seen
cat > want <<'END'
aiohttp: 4 calls, spans UNSET ERROR ERROR ERROR, durations 4
httpx: 4 calls, spans UNSET ERROR UNSET ERROR, durations 1
END
diff want seen
