"""The catalogue has all that the code can write, and each schema can be read back."""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange import Exchange, Trace
from gateway.observe.log.exchange_line import values_of
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.log_fields import FIELDS, render_catalogue
from gateway.observe.log.log_schema import to_plain
from gateway.observe.log.structured_log import log_exchange, open_log
from gateway.observe.log.webhook_line import webhook_values
from gateway.webhooks.webhook_record import WebhookEvent
from tests.support.native import attributes_of
from tests.support.sources import GATEWAY, TREES, modules

_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}
_LOGGERS = {"log", "_log", "write"}
_BY_NAME = {
    "app/gateway.py": {"webhooks"},
    "app/reload_report.py": {
        "reason", "config", "seconds", "changes", "after_restart", "problems", "warnings"},
    "observe/log/library_logs.py": {"library", "error"},
    "observe/observers.py": {"consumer", "prefix", "address"},
}  # fmt: skip
"""What is written by `**values`, file by file: whoever adds such a call lists its fields here."""


def _logging_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in modules(GATEWAY):
        name = path.relative_to(GATEWAY).as_posix()
        if name.startswith("commands/"):
            continue
        for node in ast.walk(TREES[path]):
            if not isinstance(node, ast.Call) or not node.keywords:
                continue
            called = node.func
            if isinstance(called, ast.Name) and called.id == "write":
                yield name, node
            elif isinstance(called, ast.Attribute) and called.attr in _METHODS:
                owner = called.value
                last = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if last in _LOGGERS:
                    yield name, node
            elif isinstance(called, ast.Call) and ast.unparse(called).startswith("getattr(self._log"):
                yield name, node


def test_every_field_that_a_call_writes_is_in_the_catalogue() -> None:
    calls = list(_logging_calls())
    assert len(calls) > 20
    for name, call in calls:
        for keyword in call.keywords:
            if keyword.arg is not None:
                assert keyword.arg in FIELDS, f"{name}:{call.lineno} {keyword.arg}"
            elif name not in ("observe/log/webhook_line.py", "observe/log/structured_log.py"):
                assert name in _BY_NAME, f"{name}:{call.lineno} writes fields that nobody has listed"
    assert set().union(*_BY_NAME.values()) <= FIELDS.keys()


def _full() -> Exchange:
    """An exchange in which everything has something to say."""
    exchange = Exchange(1.0)
    for name in attributes_of(Exchange):
        value = getattr(exchange, name)
        if isinstance(value, str) and name != "ending":
            setattr(exchange, name, name)
        elif type(value) in (int, float) and name not in ("started_at", "ended_at"):
            setattr(exchange, name, type(value)(2))
    exchange.status, exchange.address, exchange.sdk = 503, "192.0.2.7", "twilio-go/1.30.9"
    exchange.ended_at, exchange.trace = 3.5, Trace("4b" * 16, "", "00f0" * 4)
    exchange.account = "AC00112233445566778899aabbccddeeff"
    return exchange


def test_every_field_of_exchanges_and_webhooks_is_in_the_catalogue() -> None:
    event = WebhookEvent(0.0, "id")
    for name in ("reason", "would_refuse", "secret", "sid"):
        setattr(event, name, "x")
    event.replaced_urls, event.unreachable = 1, ("x.test",)
    written = {*values_of(_full()), *webhook_values(event)}
    assert written <= FIELDS.keys()
    assert {"consumer_key", "address", "rule", "limit", "resource_sid", "created_sid", "span_id"} <= written


def test_the_page_of_the_catalogue_is_up_to_date() -> None:
    assert (GATEWAY.parent / "docs/log-fields.md").read_text() == render_catalogue(), "run: make docs"


def _written(folder: Path, schema: str) -> list[dict[str, Any]]:
    """Lines of all kinds: a full exchange, one whose caller left, an event, what is dropped."""
    path = folder / schema
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    writer = LineWriter(descriptor)
    log = open_log(writer, "info", "json", 1.0, schema)
    log_exchange(log, _full())
    log_exchange(log, Exchange(1.0))
    log.warning("configuration reloaded", reason="file", seconds=0.25, changes=["log.level"], url="http://x")
    log.error("internal error", request_id="r", error="ValueError", where=["a.py:1 f"])
    log.info("audit head", chain="c", seq=7, mac="m")
    log.info("operator stop", consumer="app", prefix="+882", address="192.0.2.9")
    writer.close()
    os.close(descriptor)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [*lines, json.loads(writer.describe_drops(3))]


@pytest.mark.parametrize("schema", ["ecs", "gcp"])
def test_a_line_of_any_schema_is_read_back_as_the_plain_one(tmp_path: Path, schema: str) -> None:
    for line, plain in zip(_written(tmp_path, schema), _written(tmp_path, "plain"), strict=True):
        assert to_plain(plain) == plain
        assert to_plain(line) | {"timestamp": ""} == plain | {"timestamp": ""}


def test_ecs(tmp_path: Path) -> None:
    exchange, gone, reload, fault, *_ = _written(tmp_path, "ecs")
    assert list(exchange)[:4] == ["@timestamp", "log.level", "message", "ecs.version"]
    assert (exchange["log.level"], exchange["message"]) == ("warning", "exchange")
    assert exchange["source"] == {"ip": "192.0.2.7"}
    assert exchange["http"]["request"] == {"id": "request_id", "method": "method", "body": {"bytes": 2}}
    assert exchange["http"]["response"] == {"status_code": 503, "body": {"bytes": 2}}
    assert exchange["user_agent"] == {"name": "twilio-go", "version": "1.30.9"}
    assert exchange["event"]["duration"] == 2_500_000_000
    assert (exchange["event"]["outcome"], gone["event"]["outcome"]) == ("failure", "unknown")
    assert (exchange["trace"], exchange["span"]) == ({"id": "4b" * 16}, {"id": "00f0" * 4})
    assert (exchange["rule"], exchange["user"]) == ({"name": "rule"}, {"name": "consumer"})
    assert exchange["url"] == {"path": "label"}
    assert exchange["twilio_gateway"]["created_sid"] == "created_sid"
    assert "status_code" not in gone["http"].get("response", {})
    assert (reload["event"]["reason"], reload["twilio_gateway"]["url"]) == ("file", "http://x")
    assert fault["error"] == {"type": "ValueError"}


def test_gcp(tmp_path: Path) -> None:
    exchange, gone, reload, *_ = _written(tmp_path, "gcp")
    assert (exchange["severity"], exchange["message"]) == ("WARNING", "exchange")
    assert exchange["httpRequest"] == {
        "userAgent": "twilio-go/1.30.9", "requestMethod": "method", "requestUrl": "label", "status": 503,
        "latency": "2.500000s", "requestSize": "2", "responseSize": "2", "remoteIp": "192.0.2.7",
    }  # fmt: skip
    assert exchange["logging.googleapis.com/trace"].endswith("4b" * 16)
    assert exchange["logging.googleapis.com/spanId"] == "00f0" * 4
    assert exchange["logging.googleapis.com/labels"] == {
        "consumer": "consumer", "consumer_key": "consumer_key"}  # fmt: skip
    assert "status" not in gone["httpRequest"]
    assert (reload["seconds"], "httpRequest" in reload) == (0.25, False)
    assert {"level", "timestamp", "event"}.isdisjoint(exchange)
