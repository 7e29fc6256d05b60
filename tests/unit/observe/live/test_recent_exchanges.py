"""The latest exchanges: numbered, bounded, found, and shown without what must not be seen."""

import pytest

from gateway.exchange import PhaseKind
from gateway.observe.live.recent_exchanges import Filter, Recent
from tests.unit.observe.exchanges import finished

SID = "AC00112233445566778899aabbccddeeff"


def seqs(recent: Recent, wanted: Filter | None = None, most: int = 100, **page: int) -> list[int]:
    """Numbers of what is found, counted from the first."""
    return [each.seq - 1_000_000_000 for each in recent.find(wanted or Filter(), most, **page)]


def test_numbers_grow_and_old_ones_go() -> None:
    recent = Recent(1000.0, most=3)
    recent.add([finished() for _ in range(5)])
    assert recent.last_seq == 1_000_000_005
    assert seqs(recent) == [5, 4, 3]
    assert seqs(recent, most=2) == [5, 4]
    assert seqs(recent, after=1_000_000_004) == [5]
    assert seqs(recent, before=1_000_000_005) == [4, 3]
    assert seqs(recent, after=1_000_000_003, before=1_000_000_005) == [4]
    assert recent.count(Filter(), after=0) == 3


def test_numbers_of_the_next_process_are_higher() -> None:
    """So that whoever follows misses nothing when the gateway is restarted."""
    before = Recent(1000.0)
    before.add([finished() for _ in range(5000)])
    assert Recent(1001.0).last_seq > before.last_seq


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), True),
        (Filter(consumer="app"), True),
        (Filter(consumer="ap"), False),
        (Filter(status="4xx"), True),
        (Filter(status="429"), True),
        (Filter(status="5xx"), False),
        (Filter(status="404"), False),
        (Filter(route="MESS"), True),
        (Filter(route="calls"), False),
        (Filter(request_id="r1"), True),
        (Filter(request_id="r"), False),
        (Filter(account="AC0011…eeff"), True),
        (Filter(account="AC0011…eefe"), False),
        (Filter(slug="rate_limited"), True),
        (Filter(slug="draining"), False),
        (Filter(code=20429), True),
        (Filter(code=20404), False),
        (Filter(consumer="app", status="5xx"), False),
    ],
)
def test_filters(wanted: Filter, found: bool) -> None:
    exchange = finished(status=429, request_id="r1", account=SID, slug="rate_limited", twilio_code=20429)
    assert wanted.admits(exchange) is found


def test_strangers_have_a_name_that_no_consumer_can_have() -> None:
    assert Filter(consumer="(unknown)").admits(finished(consumer=""))


def test_what_is_shown() -> None:
    """The timeline begins with the exchange; SIDs are masked."""
    exchange = finished(account=SID, key="SK0011…eeff")
    exchange.record_queue(PhaseKind.QUEUE, 500.0, 500.02)
    exchange.record_attempt(500.02, 500.09, 429, 20429, "", "requeue")
    exchange.record_backoff(500.09, 0.005)
    recent = Recent(1000.0)
    recent.add([exchange])
    shown = recent.find(Filter(), 1)[0].as_json()
    assert shown["account"] == "AC0011…eeff"
    assert SID not in repr(shown)
    assert shown["steps"] == [
        {"kind": "queue", "offset": 0.0, "seconds": 0.02, "status": 0, "code": 0, "failed": "", "key": "",
         "reason": "", "then": ""},
        {"kind": "attempt", "offset": 0.02, "seconds": 0.07, "status": 429, "code": 20429, "failed": "",
         "key": "SK0011…eeff", "reason": "", "then": "requeue"},
        {"kind": "backoff", "offset": 0.09, "seconds": 0.005, "status": 0, "code": 0, "failed": "", "key": "",
         "reason": "", "then": ""},
    ]  # fmt: skip


def test_nothing_is_shown_that_is_not_named() -> None:
    """These, and no others: a field that somebody adds must be let through here, too."""
    recent = Recent(1000.0)
    recent.add([finished()])
    assert set(recent.find(Filter(), 1)[0].as_json()) == {
        "seq", "at", "request_id", "twilio_request_id", "consumer", "method", "product", "route", "status",
        "slug", "twilio_code", "attempts", "seconds", "upstream_seconds", "queue_seconds", "backoff_seconds",
        "overhead_seconds", "caller_seconds", "bytes_in", "bytes_out", "account", "credential", "key",
        "ending", "unknown", "reported", "trace_id", "steps", "sdk",
        "consumer_key", "former_consumer", "address", "rule", "limit", "resource_sid",
            "created_sid", "outcome",
    }  # fmt: skip
