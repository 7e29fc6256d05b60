"""The line of an exchange: what is in it, in which order, and which levels are written."""

import json
import os
import re
from pathlib import Path

import pytest

from gateway.exchange import Ending, Exchange
from gateway.observe.lines import LineWriter
from gateway.observe.log import Logger, log_exchange, open_log


def _lines(folder: Path, level: str, style: str, *exchanges: Exchange, plain: bool = False) -> list[bytes]:
    """What is written; `plain` takes the way of all other events, through structlog's chain."""
    path = folder / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    writer = LineWriter(descriptor)
    log = open_log(writer, level, style)
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
    exchange.ended = 1.25
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


def test_a_line_holds_what_is_listed_in_its_order(tmp_path: Path) -> None:
    (line,) = _lines(tmp_path, "info", "json", _exchange())
    assert list(json.loads(line)) == [
        *("request_id", "consumer", "method", "product", "route", "status", "seconds", "upstream_seconds"),
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


def test_a_console_gets_the_same_values(tmp_path: Path) -> None:
    (line,) = _lines(tmp_path, "warning", "console", *_ALL[:2])
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", line)
    for expected in (b"exchange", b"status=403", b"gateway_error=not_allowed"):
        assert expected in plain
