"""Trace context: what is taken over from a caller, and what is written for Twilio (W3C TR trace-context).

A `traceparent` is read strictly or not at all; a bad one is ignored, never refused. Knows nothing of spans
and exporters.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

TRACE_FIELDS: Final = frozenset({b"baggage", b"traceparent", b"tracestate"})
"""Never relayed as they came: they say who calls whom inside the company."""

_SAMPLED: Final = 0x01
_PARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<parent_id>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16

# Trace context 3.3.1: 32 members, a key is `simple-key` or `tenant@system`, a value has no comma nor `=`.
_MAX_STATE_CHARACTERS: Final = 512
_MAX_MEMBERS: Final = 32
_MEMBER: Final = re.compile(
    r"(?P<key>[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(NamedTuple):
    """A caller's place in a trace: 32 and 16 lower-case hexadecimal digits, and whether it is recorded."""

    trace_id: str
    parent_id: str
    sampled: bool


def read_trace_context(parents: Sequence[str]) -> TraceContext | None:
    """What the `traceparent` fields say: None unless there is exactly one and it is valid.

    Of a version after 00 the parts that 00 has are read; further ones must begin with a hyphen (3.2.4).
    """
    if len(parents) != 1 or (match := _PARENT.fullmatch(parents[0])) is None:
        return None
    version, more = match["version"], match["more"]
    if version == "ff" or (version == "00" and more is not None):
        return None
    if match["trace_id"] == _NO_TRACE or match["parent_id"] == _NO_SPAN:
        return None
    return TraceContext(
        match["trace_id"], match["parent_id"], sampled=bool(int(match["flags"], 16) & _SAMPLED)
    )


def read_trace_state(states: Sequence[str]) -> str:
    """The members of all `tracestate` fields, in order; '' if one is invalid or comes twice."""
    members = [member.strip(" \t") for state in states for member in state.split(",")]
    members = [member for member in members if member]  # empty ones are allowed, and mean nothing
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = {match["key"] for match in matches if match is not None}
    joined = ",".join(members)
    whole = len(keys) == len(members) <= _MAX_MEMBERS and len(joined) <= _MAX_STATE_CHARACTERS
    return joined if whole else ""


def build_trace_fields(trace_id: str, span_id: str, state: str, *, sampled: bool) -> bytes:
    """The field lines for Twilio, with `span_id` (ours) as the parent of whatever happens there."""
    lines = f"traceparent: 00-{trace_id}-{span_id}-{int(sampled):02x}\r\n"
    if state:
        lines += f"tracestate: {state}\r\n"
    return lines.encode("ascii")
