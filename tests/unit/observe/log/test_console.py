"""Lines for a terminal: columns, words for what is out of the ordinary, nothing that could steer it."""

import re
from typing import Any

import pytest

from gateway.observe.log.console import ConsoleLines

EXCHANGE: dict[str, Any] = {
    "event": "exchange",
    "request_id": "abc",
    "consumer": "billing",
    "method": "POST",
    "product": "api",
    "route": "/2010-04-01/Accounts/{AccountSid}/Messages",
    "status": 201,
    "seconds": 0.0421,
    "queue_seconds": 0.0,
    "attempts": 1,
}
LONG = f"{'api …/Messages':<42}"
CLOCK = r"\d\d:\d\d:\d\d\.\d{3} "


def _line(level: str = "info", colours: bool = False, /, **values: Any) -> str:
    return ConsoleLines(colours=colours)(None, level, values).decode()


@pytest.mark.parametrize(
    ("level", "more", "expected"),
    [
        ("info", {}, f"info  billing      POST   {LONG} 201    42 ms"),
        ("info", {"seconds": 1.5}, f"info  billing      POST   {LONG} 201   1.50 s"),
        ("info", {"seconds": 0.00123}, f"info  billing      POST   {LONG} 201   1.2 ms"),
        (
            "info",
            {"attempts": 3, "queue_seconds": 0.25},
            f"info  billing      POST   {LONG} 201    42 ms 3 attempts  waited 250 ms",
        ),
        (
            "warning",
            {"status": 403, "gateway_error": "not_allowed", "attempts": 0},
            f"WARN  billing      POST   {LONG} 403    42 ms not_allowed  abc",
        ),
        (
            "warning",
            {"status": 400, "twilio_code": 21211},
            f"WARN  billing      POST   {LONG} 400    42 ms Twilio 21211  abc",
        ),
        (
            "warning",
            {"status": 502, "gateway_error": "upstream_lost", "outcome": "unknown"},
            f"WARN  billing      POST   {LONG} 502    42 ms upstream_lost  outcome unknown  abc",
        ),
        (
            "warning",
            {"status": 0, "ending": "hung_up"},
            f"WARN  billing      POST   {LONG} ---    42 ms hung up  abc",
        ),
        (
            "warning",
            {"would_refuse": "form_rule"},
            f"WARN  billing      POST   {LONG} 201    42 ms would refuse: form_rule  abc",
        ),
        (
            "warning",
            {**dict.fromkeys(("consumer", "method", "product", "route"), ""), "gateway_error": "missing_key"},
            f"WARN  -            -      {'-':<42} 201    42 ms missing_key  abc",
        ),
    ],
)
def test_an_exchange(level: str, more: dict[str, Any], expected: str) -> None:
    assert re.fullmatch(CLOCK + re.escape(expected), _line(level, **EXCHANGE | more))


def test_an_event() -> None:
    line = _line("error", event="store unavailable", reason="timed out", port=6379)
    assert re.fullmatch(CLOCK + "ERROR store unavailable  reason=timed out  port=6379", line)


def test_colours_change_nothing_else() -> None:
    for level, values in (
        ("info", EXCHANGE),
        ("warning", EXCHANGE | {"status": 500}),
        ("error", {"event": "x", "a": 1}),
    ):
        coloured = _line(level, True, **values)
        assert "\x1b[" in coloured
        plain = re.sub(r"\x1b\[[0-9]+m", "", coloured)
        assert plain[12:] == _line(level, False, **values)[12:]


def test_each_class_of_status_has_its_colour() -> None:
    colours = {
        status: re.search(rf"(\x1b\[[0-9]+m){status}", _line("info", True, **EXCHANGE | {"status": status}))
        for status in (200, 302, 404, 503)
    }
    assert len({found[1] for found in colours.values() if found}) == 4


def test_no_value_steers_the_terminal() -> None:
    evil = "a\x1b[2J\x9b\r\n\u202eb\ud800"
    for values in (
        EXCHANGE | {"consumer": evil, "route": evil, "gateway_error": evil},
        {"event": evil, "key": evil},
    ):
        assert _line("warning", **values).isprintable()
