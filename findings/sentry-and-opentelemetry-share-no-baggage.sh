#!/bin/sh
# sentry-sdk 2.75.0 and OpenTelemetry's instrumentations 0.66b1 of httpx 0.28.1, requests 2.34.2 and aiohttp 3.14.5, both in one process, as in a
# company that moves from one to the other: what `baggage` carries, to which each of them has something to add.
#
# Guess: one header with the entries of both, since `baggage` is a list made to be shared (W3C), and both know of each other; or, if one of
# them takes the other's away, then always the one that was started last.
#
# Seen: each HTTP client has its own answer. By requests two headers `baggage` arrive, one of each. By httpx Sentry's is lost, whichever
# starts first. By aiohttp it is lost if OpenTelemetry starts first, and else shared. `sentry-trace` arrives each time, so the
# trace looks whole; without its baggage the next service does not know how it was sampled.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check sentry-sdk==2.75.0 opentelemetry-sdk==1.45.1 opentelemetry-instrumentation-httpx==0.66b1 \
  opentelemetry-instrumentation-aiohttp-client==0.66b1 opentelemetry-instrumentation-requests==0.66b1 httpx==0.28.1 aiohttp==3.14.5 \
  requests==2.34.2 2>/dev/null
cat > run.py <<'PY'
import asyncio
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests
import sentry_sdk
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider

arrived = []


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        arrived.append(self.headers)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def start_sentry():
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0)


def start_opentelemetry():
    trace.set_tracer_provider(TracerProvider())
    for instrumentor in HTTPXClientInstrumentor(), AioHttpClientInstrumentor(), RequestsInstrumentor():
        instrumentor.instrument()


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
starts = {"sentry first": (start_sentry, start_opentelemetry), "otel first": (start_opentelemetry, start_sentry)}
for start in starts[sys.argv[1]]:
    start()
context.attach(baggage.set_baggage("tenant", "billing"))
with sentry_sdk.start_transaction(name="send"):
    calls = {"httpx": httpx.get, "requests": requests.get, "aiohttp": lambda to: asyncio.run(by_aiohttp(to))}
    for name, call in calls.items():
        call(url)
        fields = arrived.pop()
        lines = fields.get_all("baggage")
        marks = {"OpenTelemetry": "tenant=", "Sentry": "sentry-trace_id="}
        owners = [owner for owner, mark in marks.items() if mark in ",".join(lines)]
        trace_id = "with" if "sentry-trace" in fields else "without"
        print(f"{sys.argv[1]}, {name}: {trace_id} sentry-trace, {len(lines)} baggage: {', '.join(owners)}")
sys.stdout.flush()
os._exit(0)  # Sentry would wait for its server
PY
for first in sentry otel; do venv/bin/python run.py "$first first" 2>>err; done | tee seen
cat > want <<'END'
sentry first, httpx: with sentry-trace, 1 baggage: OpenTelemetry
sentry first, requests: with sentry-trace, 2 baggage: OpenTelemetry, Sentry
sentry first, aiohttp: with sentry-trace, 1 baggage: OpenTelemetry, Sentry
otel first, httpx: with sentry-trace, 1 baggage: OpenTelemetry
otel first, requests: with sentry-trace, 2 baggage: OpenTelemetry, Sentry
otel first, aiohttp: with sentry-trace, 1 baggage: OpenTelemetry
END
diff want seen || { cat err; exit 1; }
