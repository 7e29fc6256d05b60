"""Trace context: taken over if valid, ignored if not, written with our span as parent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.trace_context import TraceContext, build_trace_fields, read_trace_context, read_trace_state

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = TraceContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", GOOD),
        (f"00-{TRACE}-{SPAN}-00", GOOD._replace(sampled=False)),
        (f"00-{TRACE}-{SPAN}-ff", GOOD),
        (f"00-{TRACE}-{SPAN}-02", GOOD._replace(sampled=False)),
        (f"01-{TRACE}-{SPAN}-01", GOOD),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", GOOD),
        (f"cc-{TRACE}-{SPAN}-01-", GOOD),
        (f"cc-{TRACE}-{SPAN}-01.what", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{TRACE}-{SPAN}-01-", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f"00-{TRACE}a-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN[1:]}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-0x", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"0-{TRACE}-{SPAN}-01", None),
        (f"0٠-{TRACE}-{SPAN}-01", None),
        (f"00_{TRACE}-{SPAN}-01", None),
        (f" 00-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        (f"cc-{TRACE}-{SPAN}-01-a\n", None),
        (f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01", None),
        ("", None),
    ],
)
def test_traceparent(given: str, expected: TraceContext | None) -> None:
    assert read_trace_context([given]) == expected


def test_traceparent_comes_once() -> None:
    good = f"00-{TRACE}-{SPAN}-01"
    assert read_trace_context([]) is None
    assert read_trace_context([good, good]) is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), ""),
        (("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (("rojo=1", "congo=2"), "rojo=1,congo=2"),
        (("rojo=1 , \t, congo=a b",), "rojo=1,congo=a b"),
        (("fw529a3039@dt=FfAAAAAAYb",), "fw529a3039@dt=FfAAAAAAYb"),
        (("1a@b=1",), "1a@b=1"),
        (("1a=1",), ""),
        (("a@b@c=1",), ""),
        (("Rojo=1",), ""),
        (("rojo",), ""),
        (("rojo=",), ""),
        (("rojo=1=2",), ""),
        (("rojo=1,rojo=2",), ""),
        (("rojo=1", "congo=\x00"), ""),
        (("rojo=\xe9",), ""),
        ((",".join(f"k{n}=1" for n in range(32)),), ",".join(f"k{n}=1" for n in range(32))),
        ((",".join(f"k{n}=1" for n in range(33)),), ""),
        (("a=" + "b" * 256 + ",c=" + "d" * 251,), "a=" + "b" * 256 + ",c=" + "d" * 251),
        (("a=" + "b" * 256 + ",c=" + "d" * 252,), ""),
        (("a=" + "b" * 257,), ""),
    ],
)  # fmt: skip
def test_tracestate(states: tuple[str, ...], expected: str) -> None:
    assert read_trace_state(states) == expected


def test_what_is_sent() -> None:
    assert (
        build_trace_fields(TRACE, SPAN, "", sampled=False)
        == f"traceparent: 00-{TRACE}-{SPAN}-00\r\n".encode()
    )
    assert build_trace_fields(TRACE, SPAN, "a=1", sampled=True) == (
        f"traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\n".encode()
    )


@given(st.text(max_size=80) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,9}"))
def test_nothing_but_hexadecimal_digits_is_taken_over(text: str) -> None:
    context = read_trace_context([text])
    if context is not None:
        assert re.fullmatch(r"[0-9a-f]{32}", context.trace_id)
        assert re.fullmatch(r"[0-9a-f]{16}", context.parent_id)
        assert text[3:52] == f"{context.trace_id}-{context.parent_id}"


@given(st.lists(st.text(max_size=40), max_size=3))
def test_a_state_that_is_sent_breaks_no_line(states: list[str]) -> None:
    assert re.fullmatch(r"[\x20-\x7e]{0,512}", read_trace_state(states))
    assert len(read_trace_state(states)) <= 512
