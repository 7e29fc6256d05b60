"""The line of an exchange: what is in it, in which order, and which levels are written."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange import Ending, Exchange, Trace
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import Logger, is_sampled, log_exchange, open_log


def _lines(
    folder: Path, level: str, style: str, *exchanges: Exchange, plain: bool = False, share: float = 1.0
) -> list[bytes]:
    """What is written; `plain` takes the way of all other events, through structlog's chain."""
    path = folder / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    writer = LineWriter(descriptor)
    log = open_log(writer, level, style, share)
    for exchange in exchanges:
        log_exchange(_Plain(log) if plain else log, exchange)  # type: ignore[arg-type]
    writer.close()
    os.close(descriptor)
    return path.read_bytes().splitlines()


class _Plain:
    """Only the methods of levels, as a logger of somebody else's would have them."""

    def __init__(self, log: Logger) -> None:
        self.info, self.warning, self.error = log.info, log.warning, log.error


def _exchange(status: int = 201, slug: str = "", ending: Ending = Ending.ANSWERED) -> Exchange:
    exchange = Exchange(1.0)
    exchange.request_id, exchange.consumer, exchange.method = "abc", "app", "POST"
    exchange.product, exchange.label = "api", "/Messages"
    exchange.status, exchange.slug, exchange.ending = status, slug, ending
    exchange.account = "AC00112233445566778899aabbccddeeff"
    exchange.ended_at = 1.25
    return exchange


_ALL = (
    _exchange(),
    _exchange(403, "not_allowed"),
    _exchange(499, ending=Ending.HUNG_UP),
    _exchange(500, "internal_error"),
)


def test_the_short_way_writes_the_bytes_of_the_long_one(tmp_path: Path) -> None:
    short = _lines(tmp_path, "info", "json", *_ALL)
    long = _lines(tmp_path, "info", "json", *_ALL, plain=True)
    clock = re.compile(rb'"timestamp":"[0-9T:.-]+Z"')
    assert [clock.sub(b"", line) for line in short] == [clock.sub(b"", line) for line in long]
    assert all(clock.search(line) for line in short)


def test_callers_without_a_name_have_an_address(tmp_path: Path) -> None:
    exchange = _exchange()
    exchange.address = "192.0.2.7"
    (line,) = _lines(tmp_path, "info", "json", exchange)
    assert json.loads(line)["address"] == "192.0.2.7"


def test_a_line_holds_what_is_listed_in_its_order(tmp_path: Path) -> None:
    (line,) = _lines(tmp_path, "info", "json", _exchange())
    assert list(json.loads(line)) == [
        *(
            "request_id",
            "consumer",
            "sdk",
            "method",
            "product",
            "route",
            "status",
            "seconds",
            "upstream_seconds",
        ),
        *(
            "queue_seconds",
            "overhead_seconds",
            "attempts",
            "bytes_in",
            "bytes_out",
            "account",
            "event",
            "level",
            "timestamp",
        ),
    ]


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["info", "warning", "warning", "error"]),
        ("info", ["info", "warning", "warning", "error"]),
        ("warning", ["warning", "warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels_below_the_least_are_not_written(tmp_path: Path, level: str, written: list[str]) -> None:
    lines = _lines(tmp_path, level, "json", *_ALL)
    assert [json.loads(line)["level"] for line in lines] == written


@pytest.mark.parametrize("style", ["json", "console"])
def test_successes_are_sampled_by_request_id(tmp_path: Path, style: str) -> None:
    ids = [f"{number:032x}" for number in range(400)]
    exchanges = []
    for request_id in ids:
        exchanges.append(exchange := _exchange())
        exchange.request_id = request_id
    expected = sum(is_sampled(request_id, 0.25) for request_id in ids)
    assert 60 < expected < 140
    for _ in range(2):  # replicas agree
        lines = _lines(tmp_path, "info", style, *exchanges, share=0.25)
        assert len(lines) == expected
    if style == "json":
        assert {json.loads(line)["sample_rate"] for line in lines} == {0.25}


def _retried(**marks: Any) -> Exchange:
    exchange = _exchange()
    for name, value in marks.items():
        setattr(exchange, name, value)
    return exchange


@pytest.mark.parametrize(
    "exchange",
    [
        *_ALL[1:],
        _exchange(404),
        _exchange(200, ending=Ending.ABORTED),
        _retried(attempts=2),
        _retried(unknown=True),
        _retried(reported="not_allowed"),
    ],
)
def test_what_is_no_plain_success_is_always_written(tmp_path: Path, exchange: Exchange) -> None:
    (line,) = _lines(tmp_path, "info", "json", exchange, share=0.0)
    assert "sample_rate" not in json.loads(line)
    assert _lines(tmp_path, "info", "json", _exchange(), share=0.0) == []


@pytest.mark.parametrize("shape", ["{:032x}", "order-{}", "{}"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_share_is_what_it_says(shape: str, share: float) -> None:
    """Also for ids that callers count up."""
    found = sum(is_sampled(shape.format(number), share) for number in range(20_000))
    assert found == pytest.approx(20_000 * share, rel=0.15)
    assert all(is_sampled(shape.format(number), 1.0) for number in range(100))


def test_trace_ids_are_in_the_line(tmp_path: Path) -> None:
    exchange = _exchange()
    exchange.trace = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    (line,) = _lines(tmp_path, "info", "json", exchange)
    assert json.loads(line)["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert b"00f067aa0ba902b7" not in line


def test_dropped_lines_are_told_in_the_logs_own_shape(tmp_path: Path) -> None:
    for style, expected in (("json", b'"event":"log lines dropped"'), ("console", b"log lines dropped")):
        descriptor = os.open(tmp_path / style, os.O_WRONLY | os.O_CREAT)
        writer = LineWriter(descriptor)
        open_log(writer, "error", style)
        line = writer.describe_drops(7)
        assert expected in line
        assert b"7" in line
        assert line.endswith(b"\n")
        writer.close()
        os.close(descriptor)
