"""What a scraper sees of a running gateway: exact numbers, bounded series, and every name that documents,
alerts and dashboard use."""

import asyncio
import gzip
import json
import random
import re
from pathlib import Path

import yaml

from gateway.twilio.catalogue import load_catalogue
from tests.support.authority import make_authority
from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.metrics import (
    OPENMETRICS,
    declared_in,
    fetch,
    junk_paths,
    metrics_in,
    own,
    path_of,
    read_samples,
    scrape,
    scrape_until,
    total,
)
from tests.support.prometheus import running_prometheus
from tests.support.running import ACCOUNT_SID, ENVIRON, KEY, Running, consumer, digest, running_gateway
from tests.support.tls import Authority
from tests.support.upstream import RawUpstream, gated, raw, reply
from tests.support.webhooks import WEBHOOK_ENVIRON, settings

ROOT = Path(__file__).parents[2]
LABEL = "/2010-04-01/Accounts/{AccountSid}/Messages"
SENT = b'{"num_segments": "3", "to": "+447700900123", "sid": "SM00112233445566778899aabbccddeeff"}'


async def test_every_exchange_is_counted_once_in_each_family(gateway: Running, upstream: RawUpstream) -> None:
    """Answered, refused, unparsed, failed, hung up: by route, by consumer, and in the duration of each."""
    hanging = asyncio.Event()
    upstream.then(
        reply(SENT, status="201 Created"),
        reply(b'{"code": 21211, "status": 400}', status="400 Bad Request"),
        reply(b'{"code": 20429}', status="429 Too Many Requests"), reply(b"{}"),
        reply(b"", status="503 Service Unavailable"), reply(b"{}"),
        raw(ends="reset"), reply(b"{}"),
        gated(b"", hanging),
    )  # fmt: skip
    create = request(f"POST {MESSAGES}", FORM, body=b"To=%2B447700900123")
    assert (await ask(gateway.port, create)).status == 201
    assert (await ask(gateway.port, create)).status == 400
    for _ in range(3):
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
    assert (await ask(gateway.port, request(f"GET {MESSAGES}", auth=None))).slug == "missing_key"
    assert (await ask(gateway.port, request("GET /nothing"))).slug == "unknown_address"
    assert (await ask(gateway.port, b"nonsense\r\n\r\n")).slug == "malformed_request"
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}"))
        await upstream.arrived(9)
        assert total(await scrape(gateway.admin_url), "gateway_exchanges_in_flight") == 1
        caller.hang_up()
    samples = await scrape_until(gateway.admin_url, "gateway_requests_total", 9)
    for name in (
        "gateway_requests_total", "gateway_consumer_requests_total", "gateway_request_seconds_count",
        "gateway_consumer_request_seconds_count", "gateway_overhead_seconds_count",
    ):  # fmt: skip
        assert total(samples, name) == 9, name
    assert total(samples, "gateway_requests_total", route=LABEL, product="api", method="GET") == 4
    assert total(samples, "gateway_requests_total", route=LABEL, method="GET", status_class="4xx") == 1
    assert total(samples, "gateway_requests_total", route="{none}", method="{none}") == 3
    assert total(samples, "gateway_consumer_requests_total", consumer="app") == 7
    assert total(samples, "gateway_consumer_requests_total", consumer="{none}") == 2
    assert total(samples, "gateway_upstream_seconds_count") == 6
    assert total(samples, "gateway_unfinished_total", ending="hung_up") == 1
    expected = {"2xx": 4, "4xx": 1, "429": 1, "5xx": 1, "sent": 1, "abandoned": 1}
    for outcome, count in expected.items():
        assert total(samples, "gateway_attempts_total", outcome=outcome) == count, outcome
    assert total(samples, "gateway_attempts_total") == sum(expected.values())
    for reason in ("signal", "503", "sent"):
        assert total(samples, "gateway_retries_total", reason=reason) == 1, reason
    assert total(samples, "gateway_retries_total") == 3
    assert total(samples, "gateway_twilio_errors_total", code="21211") == 1
    assert total(samples, "gateway_refusals_total") == 3
    assert total(samples, "gateway_message_segments_total", consumer="app", country="GB") == 3
    assert total(samples, "gateway_exchanges_in_flight") == 0
    assert total(samples, "gateway_connections_accepted_total") == 9


async def test_no_id_and_no_number_is_shown(gateway: Running, upstream: RawUpstream) -> None:
    """Neither of a caller's nor of ours, in no format."""
    upstream.then(reply(SENT, status="201 Created"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=%2B447700900123"))
    for accept in (OPENMETRICS, "text/plain"):
        text = await fetch(gateway.admin_url, accept)
        for secret in ("7700900123", ACCOUNT_SID, ENVIRON["TWILIO_API_KEY"], "SM001122334455"):
            assert secret not in text


async def test_a_second_pass_over_routes_and_junk_adds_no_series(
    gateway: Running, upstream: RawUpstream
) -> None:
    """Over real sockets: every eighth route of the catalogue, and what scanners ask for."""
    chance = random.Random(11)
    routes, junk = load_catalogue().routes[::8], 110

    async def ask_everything() -> None:
        async with raw_caller(gateway.port) as caller:
            for route in routes:
                await caller.send(
                    request(f"{route.method} /{route.product}{path_of(route, ACCOUNT_SID, chance)}")
                )
                await caller.answer(route.method)
            for path in junk_paths(junk, chance):
                await caller.send(request(f"GET {path}"))
                await caller.answer()

    await ask_everything()
    asked = len(routes) + junk
    first = own(await scrape_until(gateway.admin_url, "gateway_requests_total", asked))
    await ask_everything()
    assert own(await scrape_until(gateway.admin_url, "gateway_requests_total", 2 * asked)) == first


async def test_formats(gateway: Running) -> None:
    """OpenMetrics for who asks, compressed for who can read it, the same page within a second."""
    port = int(gateway.admin_url.rpartition(":")[2])

    def get(*fields: str) -> bytes:
        return request("GET /metrics", *fields, "Connection: close", auth=None).replace(
            b"gateway.test", b"localhost"
        )

    plain = await ask(port, get())
    assert plain.value("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    found = await ask(port, get("Accept: application/openmetrics-text"))
    assert found.value("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert found.body.endswith(b"# EOF\n")
    packed = await ask(port, get("Accept: application/openmetrics-text", "Accept-Encoding: gzip"))
    assert packed.value("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == found.body
    assert b"_created" not in found.body


async def _exposition(folder: Path, upstream: RawUpstream) -> str:
    """Of a gateway that has everything that has metrics, after some traffic."""
    authority = Authority()
    pair = authority.write_pair(folder)
    webhooks = settings("http://127.0.0.1:9", tls=pair)
    environ = WEBHOOK_ENVIRON | {"AUDIT_KEY": "an-audit-key-of-32-characters-or-more"}
    audit = {"file": str(folder / "audit.log"), "key": {"env": "AUDIT_KEY"}}
    ending = {"app": consumer(keys=[{"digest": digest(KEY), "expires": "2099-01-01T00:00:00Z"}])}
    parts = {"webhooks": webhooks, "audit": audit, "consumers": ending, "ca": make_authority(folder / "ca")}
    async with running_gateway(upstream.url, environ, tls=pair, **parts) as gateway:
        answer = await ask(gateway.port, request(f"GET {MESSAGES}"), tls=authority.trusting())
        assert answer.status == 200
        return await fetch(gateway.admin_url)


async def test_every_metric_of_alerts_and_dashboard_exists(tmp_path: Path, upstream: RawUpstream) -> None:
    """An alert on a metric that is called otherwise never fires, and nobody notices."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(expressions) > 70
    recorded = {rule["record"] for rule in rules if "record" in rule}
    known = declared_in(await _exposition(tmp_path, upstream)).keys() | recorded | {"up"}
    used = {name for expression in expressions for name in metrics_in(expression)}
    assert used - known == set()


async def test_the_table_of_metrics_is_true(tmp_path: Path, upstream: RawUpstream) -> None:
    """Every family that a scrape shows is documented with its labels, and nothing else is."""
    text = await _exposition(tmp_path, upstream)
    section = (ROOT / "docs/operations.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    documented: dict[str, set[str]] = {}
    for names, labels in re.findall(r"^\| (`gateway_[^|]+)\|([^|]*)\|", section, re.M):
        for name in re.findall(r"`(\w+)`", names):
            documented[name] = set(re.findall(r"`(\w+)`", labels))
    declared = declared_in(text)
    assert {name for name in declared.values() if name.startswith("gateway_")} == documented.keys()
    for (name, labels), _ in read_samples(text).items():
        if name.startswith("gateway_"):
            assert {label for label, _ in labels} - {"le"} == documented[declared[name]], name


async def test_connections_are_counted_by_port(tmp_path: Path, upstream: RawUpstream) -> None:
    """Both ports in each family, and the webhook port by its first names, too."""
    samples = read_samples(await _exposition(tmp_path, upstream))
    assert total(samples, "gateway_connections_accepted_total", listener="data") == 1
    for family in ("connections", "connections_accepted_total", "connections_closed_total"):
        names = {dict(labels)["listener"] for name, labels in samples if name == f"gateway_{family}"}
        assert names == {"data", "webhooks"}
        former = total(samples, f"gateway_webhook_{family}")
        assert total(samples, f"gateway_{family}", listener="webhooks") == former


async def test_a_real_prometheus_counts_the_requests_that_were_sent(
    tmp_path: Path, gateway: Running, upstream: RawUpstream
) -> None:
    """It scrapes, it asks for OpenMetrics, its query gives the number, and it can evaluate all our rules."""
    sent = 37
    async with running_prometheus(tmp_path, gateway.admin_url) as prometheus:
        for _ in range(sent):
            assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
        for _ in range(3):
            assert (await ask(gateway.port, request(f"GET {MESSAGES}", auth=None))).status == 401
        await prometheus.until("sum(gateway_requests_total)", sent + 3)
        by_route = f'sum(gateway_requests_total{{route="{LABEL}", status_class="2xx"}})'
        assert await prometheus.query_one(by_route) == sent
        assert await prometheus.query_one('sum(gateway_consumer_requests_total{consumer="app"})') == sent
        assert await prometheus.query_one('gateway_request_seconds_bucket{product="api", le="+Inf"}') == sent
        await prometheus.until("count(job:gateway_requests:rate5m)", 1)
        groups = (await prometheus.get("rules"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}
        assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
        target = (await prometheus.get("targets"))["activeTargets"][0]
        assert (target["health"], target["lastError"]) == ("up", "")


async def test_sdks_by_consumer(gateway: Running, upstream: RawUpstream) -> None:
    """Name and version by the User-Agent, and whether it sends POSTs again; no other word of it."""
    java = "User-Agent: twilio-java/12.0.0 (Linux amd64) java/21.0.5 secret-extension/7"
    for field in (java, java, "User-Agent: curl/8.11.0", "User-Agent: twilio-go/?"):
        assert (await ask(gateway.port, request(f"GET {MESSAGES}", field))).status == 200
    assert (await ask(gateway.port, request(f"GET {MESSAGES}", java, auth=None))).status == 401
    name = "gateway_consumer_sdk_requests_total"
    samples = await scrape_until(gateway.admin_url, name, 4)
    labels = {"consumer": "app", "sdk": "twilio-java", "version": "12.0.0", "post_repeats": "by_default"}
    assert total(samples, name, **labels) == 2
    assert total(samples, name, consumer="app", sdk="other", version="", post_repeats="unknown") == 2
    assert "secret-extension" not in await fetch(gateway.admin_url, "text/plain")
    logged = await gateway.exchange_logged(5)
    assert [line["sdk"] for line in logged] == ["twilio-java/12.0.0"] * 2 + ["other"] * 2 + [
        "twilio-java/12.0.0"
    ]
