"""The table of `gateway tail`: columns, widths, colours, and what a terminal must not be told."""

import re
from typing import Any

import pytest

from gateway.commands.tail_table import Table, duration, printable

EXCHANGE: dict[str, Any] = {
    "at": 1_800_000_000.25, "status": 200, "consumer": "billing", "method": "GET", "product": "api",
    "route": "/2010-04-01/Accounts/{AccountSid}/Messages", "seconds": 0.087, "queue_seconds": 0.0,
    "attempts": 1, "slug": "", "twilio_code": 0, "ending": "answered", "unknown": False, "reported": "",
    "request_id": "a" * 32,
}  # fmt: skip


def row(width: int | None = None, **values: Any) -> str:
    return Table(colour=False).render([EXCHANGE | values], width)[0]


def test_everything_is_there_where_there_is_room() -> None:
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.250  200   billing   GET     "
        r"api /2010-04-01/Accounts/\{AccountSid\}/Messages    87 ms        -      1  -      a{32}",
        row(),
    )


@pytest.mark.parametrize("width", [80, 100, 120, 140, 200])
def test_a_row_fits_the_terminal(width: int) -> None:
    """The route gives way, then whole columns; its end stays."""
    shown = row(width, slug="rate_limited", status=429)
    assert len(shown) <= width
    assert "/Messages" in shown
    assert "rate_limited" in shown
    assert ("a" * 32 in shown) is (width >= 140)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_d11_a_long_name_is_cut_on_a_terminal_only(width: int) -> None:
    """At its end, for a name begins with what tells it apart; the route keeps its room."""
    name = "consumer-" + "x" * 55
    shown = row(width, consumer=name, request_id="i" * 128)
    assert len(shown) <= width
    assert "  consumer-xxxxxxxxxxxxxx…  GET" in shown
    assert "/Messages" in shown
    assert name in row(consumer=name)


def test_columns_stay_where_they_are() -> None:
    """Wider ones stay wide."""
    table = Table(colour=False)
    table.render([EXCHANGE | {"consumer": "a-consumer-with-a-long-name"}], None)
    (line,) = table.render([EXCHANGE], None)
    assert line.index("GET") == table.header(None).index("METHOD")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "-"),
        ({"twilio_code": 21211}, "21211"),
        ({"slug": "rate_limited", "twilio_code": 20429}, "rate_limited"),
        ({"ending": "hung_up", "status": 0}, "hung_up"),
        ({"slug": "upstream_lost", "unknown": True}, "upstream_lost, outcome unknown"),
        ({"slug": "rate_limited", "limit": "app/slow"}, "rate_limited: app/slow"),
        ({"slug": "form_rule", "rule": "form.to"}, "form_rule: form.to"),
        ({"slug": "not_allowed", "rule": "allow"}, "not_allowed"),
        ({"reported": "not_allowed"}, "would refuse: not_allowed"),
    ],
)
def test_why(values: dict[str, Any], why: str) -> None:
    assert row(**values).split("  ")[-2].strip() == why or f"  {why}  " in row(**values)


def test_a_caller_that_left_has_no_status() -> None:
    assert "  gone  " in row(status=0)


@pytest.mark.parametrize(
    ("status", "colour"), [(200, "32"), (302, "36"), (404, "33"), (502, "1;31"), (0, "35")]
)
def test_colours_by_status(status: int, colour: str) -> None:
    (line,) = Table(colour=True).render([EXCHANGE | {"status": status}], None)
    assert f"\x1b[{colour}m{status or 'gone'}" in line


def test_no_terminal_takes_orders() -> None:
    """Escapes, returns and bidirectional marks of a hostile server are shown as what they are."""
    assert "\x1b" not in row(consumer="\x1b[2J", request_id="a\rb\u202e", slug="\x9b31m")
    assert printable("a\x1b[31m\r\n\u202eb…") == "a?[31m???b…"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0004, "0.4 ms"), (0.087, "87 ms"), (0.9994, "999 ms"), (1.234, "1.23 s"), (75.2, "75 s")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_wide_rows_say_who_and_what() -> None:
    table = Table(colour=False, wide=True)
    sid = "SM" + "0a" * 16
    values = {"consumer_key": "0123abcd", "address": "192.0.2.7", "sdk": "twilio-go/1.30.9",
              "rule": "messages:send", "resource_sid": "", "created_sid": sid, "outcome": ""}  # fmt: skip
    (line,) = table.render([EXCHANGE | values], 80)
    assert line.split()[-6:] == ["0123abcd", "192.0.2.7", "twilio-go/1.30.9", "messages:send", sid, "-"]
    titles = table.header(80)
    assert titles.split()[-6:] == ["KEY", "FROM", "SDK", "RULE", "SID", "OUTCOME"]
    assert titles.index("SID") == line.index(sid)
