"""Traces of real exchanges: what a collector gets, what Twilio gets, and what happens without a collector."""

import asyncio
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from gateway.config.problems import ConfigError
from tests.integration.test_attempts_queue import ONE_AT_ONCE, gate_of
from tests.support.attempts import GET, POST, SIGNAL, SOON, until, with_field
from tests.support.caller import ask
from tests.support.collector import Collector, Seen, collector
from tests.support.running import ACCOUNT_SID, Running, running_gateway
from tests.support.upstream import RawUpstream, answer, gated, raw, reply

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"traceparent: 00-{TRACE}-{SPAN}-01"
ROUTE = "POST /2010-04-01/Accounts/{AccountSid}/Messages"
SERVER, CLIENT, INTERNAL = 2, 3, 1
ON = {"enabled": True}
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def collecting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that the variables name."""
    async with collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield found


def of_trace(spans: list[Seen], trace_id: str) -> list[Seen]:
    """Its spans in the order of their beginnings."""
    return sorted((span for span in spans if span.trace_id == trace_id), key=lambda span: span.began)


async def _faulted(gateway: Running, upstream: RawUpstream) -> None:
    """One that waits for another's slot, then meets 429, 503 and 200."""
    opens = asyncio.Event()
    upstream.then(gated(b"", opens, answer(b"{}")))
    first = asyncio.create_task(ask(gateway.port, POST))
    await upstream.arrived()
    upstream.then(SIGNAL, reply(b"{}", status="503 No"), reply(b"{}"))
    second = asyncio.create_task(ask(gateway.port, with_field(GET, TRACEPARENT)))
    await until(lambda: gate_of(gateway).waiting == 1)
    opens.set()
    assert ((await first).status, (await second).status) == (200, 200)


async def test_a_faulted_exchange_as_a_collector_sees_it(
    collecting: Collector, upstream: RawUpstream
) -> None:
    before = time.time_ns()
    async with running_gateway(upstream.url, tracing=ON, retry=SOON, concurrency=ONE_AT_ONCE) as gateway:
        await _faulted(gateway, upstream)
        spans = of_trace(await collecting.until(lambda all_: len(of_trace(all_, TRACE)) >= 5), TRACE)
    root, *steps = spans
    assert root.name == ROUTE.replace("POST", "GET")
    assert (root.kind, root.parent_id, root.failed) == (SERVER, SPAN, False)
    assert root.attributes["http.request.method"] == "GET"
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["gateway.consumer"] == "app"
    assert root.attributes["gateway.account"] == ACCOUNT_SID
    assert root.attributes["gateway.attempts"] == 3
    assert root.resource["service.name"] == "twilio-gateway"
    assert {step.parent_id for step in steps} == {root.span_id}
    assert len({span.span_id for span in spans}) == len(spans)
    attempts = [step for step in steps if step.kind == CLIENT]
    assert [step.attributes.get("http.response.status_code") for step in attempts] == [429, 503, 200]
    assert [step.failed for step in attempts] == [True, True, False]
    assert [step.attributes.get("http.request.resend_count", 0) for step in attempts] == [0, 1, 2]
    assert [step.attributes.get("gateway.then", "") for step in attempts] == ["requeue", "retry", ""]
    assert attempts[0].attributes["twilio.error_code"] == 20429
    waits = [step for step in steps if step.kind == INTERNAL]
    assert waits[0].name == "queue wait"
    assert {step.name for step in waits} <= {"queue wait", "backoff"}
    assert not any(step.failed for step in waits)
    assert before <= root.began <= root.ended <= time.time_ns()
    assert all(root.began <= step.began <= step.ended <= root.ended for step in steps)
    assert all(earlier.ended <= later.began + 1_000 for earlier, later in pairwise(steps))


async def test_a_trace_begins_here_without_a_callers(collecting: Collector, upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, tracing=ON) as gateway:
        assert (await ask(gateway.port, POST)).status == 200
        (line,) = await gateway.exchange_logged(1)
    root, attempt = of_trace(collecting.spans, line["trace_id"])  # stopping has flushed them
    assert (root.parent_id, attempt.parent_id) == ("", root.span_id)
    assert upstream.received[0].values("traceparent") == []


@pytest.mark.parametrize(
    ("failing", "status", "error"),
    [
        (raw(ends="close"), 502, "upstream_lost"),
        (reply(b"{}", status="500 No"), 500, "500"),
        (reply(b"{}", status="404 No"), 404, None),
    ],
)
async def test_failures_are_marked(
    collecting: Collector, upstream: RawUpstream, failing: object, status: int, error: str | None
) -> None:
    async with running_gateway(upstream.url, tracing=ON) as gateway:
        upstream.then(failing)  # type: ignore[arg-type]
        assert (await ask(gateway.port, with_field(POST, TRACEPARENT))).status == status
    root, attempt = of_trace(collecting.spans, TRACE)
    assert (root.failed, root.attributes.get("error.type")) == (error is not None, error)
    assert attempt.failed
    assert attempt.attributes["error.type"] in {str(status), "sent"}


async def test_the_callers_and_the_configured_sampling_are_respected(
    collecting: Collector, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with running_gateway(upstream.url, tracing=ON | {"send_upstream": True}) as gateway:
        await ask(gateway.port, with_field(POST, TRACEPARENT[:-2] + "00"))
        await ask(gateway.port, POST)
        await ask(gateway.port, with_field(POST, TRACEPARENT))
        lines = await gateway.exchange_logged(3)
    assert {span.trace_id for span in collecting.spans} == {TRACE}
    assert len(collecting.spans) == 2
    assert all(len(line["trace_id"]) == 32 for line in lines)
    flags = [received.values("traceparent")[0][-2:] for received in upstream.received]
    assert flags == ["00", "00", "01"]


async def test_what_goes_upstream(collecting: Collector, upstream: RawUpstream) -> None:
    """By default nothing; configured, our span as parent, and the caller's state, but no baggage."""
    given = with_field(with_field(POST, TRACEPARENT), "tracestate: vendor=1")
    given = with_field(given, "baggage: team=billing")
    async with running_gateway(upstream.url) as off, running_gateway(upstream.url, tracing=ON) as on:
        for gateway in (off, on):
            await ask(gateway.port, given)
            assert (await gateway.exchange_logged(1))[0]["trace_id"] == TRACE
    for received in upstream.received:
        for name in ("traceparent", "tracestate", "baggage"):
            assert received.values(name) == []
    async with running_gateway(upstream.url, tracing=ON | {"send_upstream": True}) as gateway:
        await ask(gateway.port, given)
        await ask(gateway.port, with_field(POST, "tracestate: vendor=1"))
    taken_over, begun = upstream.received[2:]
    root = of_trace(collecting.spans, TRACE)[-2]
    assert taken_over.values("traceparent") == [f"00-{TRACE}-{root.span_id}-01"]
    assert taken_over.values("tracestate") == ["vendor=1"]
    assert taken_over.values("baggage") == begun.values("tracestate") == []
    assert TRACE not in begun.values("traceparent")[0]


@pytest.mark.parametrize(
    "field", ["traceparent: 00-x-y-01", f"traceparent: 00-{TRACE.upper()}-{SPAN}-01", "tracestate: a=1"]
)
async def test_a_bad_context_is_ignored(upstream: RawUpstream, field: str) -> None:
    async with running_gateway(upstream.url) as gateway:
        assert (await ask(gateway.port, with_field(POST, field))).status == 200
        twice = with_field(with_field(POST, TRACEPARENT), TRACEPARENT)
        assert (await ask(gateway.port, twice)).status == 200
        assert not any("trace_id" in line for line in await gateway.exchange_logged(2))


async def test_refusals_have_their_trace_id(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url) as gateway:
        given = with_field(POST, TRACEPARENT).replace(b"Authorization", b"X-Other")
        assert (await ask(gateway.port, given)).status == 401
        assert (await gateway.exchange_logged(1))[0]["trace_id"] == TRACE


async def test_without_a_collector_traffic_is_unharmed(
    upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that refuses connections; then one that takes them and never answers. Stopping stays bounded."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "5")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{sock.getsockname()[1]}")
        for listening in (False, True):
            if listening:
                sock.listen(1)
            async with running_gateway(upstream.url, tracing=ON) as gateway:
                for _ in range(30):
                    assert (await ask(gateway.port, POST)).status == 200
                page = await ask(int(gateway.admin_url.rpartition(":")[2]), SCRAPE)
                (dropped,) = re.findall(rb"^gateway_traces_dropped_total ([0-9.]+)$", page.body, re.MULTILINE)
                assert float(dropped) > 0
                began = time.monotonic()
            assert time.monotonic() - began < 8


async def test_a_missing_package_is_said_at_the_start(
    upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [
        name for name in sys.modules if name.startswith(("opentelemetry.sdk", "gateway.observe.traces.spans"))
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(ConfigError, match=r"pip install 'twilio-gateway\[otel\]'"):
        async with running_gateway(upstream.url, tracing=ON):
            pass


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
)
async def test_an_exporter_that_is_not_there_is_said_at_the_start(
    upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="names an exporter that is not installed"):
        async with running_gateway(upstream.url, tracing=ON):
            pass


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
async def test_variables_that_switch_it_off(
    collecting: Collector, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    async with running_gateway(upstream.url, tracing=ON) as gateway:
        assert (await ask(gateway.port, POST)).status == 200
    assert collecting.spans == []


async def test_the_console_is_standard_error_and_the_name_is_the_variables(
    upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "twilio-eu")
    async with running_gateway(upstream.url, tracing=ON) as gateway:
        assert (await ask(gateway.port, with_field(POST, TRACEPARENT))).status == 200
    captured = capfd.readouterr()
    assert captured.out == ""
    assert TRACE in captured.err
    assert '"service.name": "twilio-eu"' in captured.err
