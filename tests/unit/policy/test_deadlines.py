"""Deadlines: the configuration's, a client's own less a second, and `Gateway-Timeout` within the maximum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.exchange import UNKNOWN_SDK
from gateway.policy.deadlines import Deadlines, TimeLimit, read_deadline
from gateway.twilio.sdks import SDKS
from tests.support.judging import head

TIMEOUTS = {name: each.timeout_seconds for name, each in SDKS.items()}
DEADLINES = Deadlines(25.0, 55.0, 60.0, {**TIMEOUTS, "acme-sms": 5.0})


def limit(*fields: tuple[bytes, bytes], deadlines: Deadlines = DEADLINES) -> TimeLimit:
    inbound = head("POST", "/", *fields)
    return read_deadline(inbound, deadlines.recognize(inbound).limit, deadlines.max_seconds)


@pytest.mark.parametrize(
    ("user_agent", "seconds"),
    [
        (b"twilio-go/1.30.9 (linux amd64) go/1.24", 9.0),
        (b"twilio-node/6.3.1 (linux x64) node/v22", 29.0),
        (b"@twilio/cli-core/8.2.1 (linux x64) twilio-node/5.4.3", 29.0),
        (b"twilio-java/12.0.0 (Linux amd64) java/21", 29.0),
        (b"twilio-php/8.12.0 (Linux x86_64) PHP/8.2", 55.0),
        (b"twilio-csharp/7.14.0 (Linux X64) .NET/8", 55.0),
        (b"acme-sms/1", 4.0),
    ],
)
def test_a_client_is_answered_before_it_gives_up(user_agent: bytes, seconds: float) -> None:
    assert limit((b"User-Agent", user_agent)) == TimeLimit(seconds, from_head=True)


@pytest.mark.parametrize(
    "user_agent",
    [
        b"twilio-python/9.13.0 (Linux x86_64) Python/3.11.2",
        b"twilio-ruby/7.11.0 (linux x86_64) Ruby/3.2",
        b"curl/8.11.0",
        b"Twilio-Go/1.30.9",
        b"twilio-go",
        b"twilio-golang/1.2",
        b"",
    ],
)
def test_others_have_the_usual_time(user_agent: bytes) -> None:
    assert limit((b"User-Agent", user_agent)) == TimeLimit(25.0, from_head=False)


def test_no_user_agent_or_two_are_no_client() -> None:
    go = (b"User-Agent", b"twilio-go/1.30.9")
    assert limit() == limit(go, go) == TimeLimit(25.0)
    assert DEADLINES.recognize(head("GET", "/", go)).sdk == "twilio-go/1.30.9"
    assert DEADLINES.recognize(head("GET", "/", (b"User-Agent", b"curl/8"))).sdk == UNKNOWN_SDK


@given(st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)), max_size=3))
def test_no_user_agent_changes_anything_else(values: list[str]) -> None:
    """It is never refused, and what is known of the head is the same."""
    fields = [(b"User-Agent", value.strip().encode()) for value in values]
    inbound, plain = head("GET", "/", *fields), head("GET", "/")
    assert inbound._replace(fields=(), single_fields={}) == plain._replace(fields=(), single_fields={})
    assert inbound.single_fields.keys() - plain.single_fields.keys() <= {b"user-agent"}
    assert [(name, value) for _, name, value in inbound.fields if name == b"User-Agent"] == fields
    assert limit(*fields).seconds in {25.0, *DEADLINES.by_client.values()}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"5", 5.0), (b"0.250", 0.25), (b"25", 25.0), (b"40", 40.0), (b"60", 55.0), (b"99999", 55.0)],
)
@pytest.mark.parametrize("user_agent", [b"twilio-go/1.30.9", b"curl/8"])
def test_a_caller_may_lower_or_raise_it_within_the_maximum(
    user_agent: bytes, value: bytes, seconds: float
) -> None:
    assert limit((b"User-Agent", user_agent), (b"Gateway-Timeout", value)) == TimeLimit(seconds)


@pytest.mark.parametrize(
    "value", [b"", b"0", b"0.0", b"-1", b"1e3", b"inf", b"nan", b"5s", b"100000", b"1_0"]
)
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(Refusal, match="bad_header"):
        limit((b"Gateway-Timeout", value))


@pytest.mark.parametrize(
    ("seconds", "most", "drain", "found"),
    [
        (25.0, 55.0, 60.0, 55.0),
        (25.0, 55.0, 40.0, 40.0),  # never above the drain time,
        (25.0, 55.0, 5.0, 25.0),  # nor below what every other caller has
        (25.0, 55.0, 0.0, 25.0),
        (90.0, 55.0, 60.0, 90.0),
    ],
)
def test_the_maximum_fits_the_drain(seconds: float, most: float, drain: float, found: float) -> None:
    deadlines = Deadlines(seconds, most, drain, TIMEOUTS)
    assert deadlines.max_seconds == found
    assert max(deadlines.by_client.values()) <= found


def test_user_agents_without_end_take_no_memory() -> None:
    deadlines = Deadlines(25.0, 55.0, 60.0, TIMEOUTS)
    for number in range(2000):
        client = deadlines.recognize(head("GET", "/", (b"User-Agent", b"twilio-go/%d" % number)))
        assert client == (f"twilio-go/{number}", TimeLimit(9.0, from_head=True))
    assert (
        deadlines.recognize(head("GET", "/", (b"User-Agent", b"twilio-go/1 " + b"x" * 600)))
        == deadlines.usual
    )
    assert len(deadlines.kept) <= 512
