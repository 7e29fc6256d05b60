"""What a key is, and what follows from a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.response import Response
from gateway.http.stored_response import STORED_BYTES, encode_response
from gateway.idempotency.claim_rules import (
    Begin,
    ClaimState,
    Record,
    decide_begin,
    decode_answer,
    in_flight,
    make_refusal,
    record_of,
    store_unavailable,
)
from gateway.policy.idempotency_key import Claim

ONE, OTHER = "2:" + "1" * 64, "2:" + "2" * 64
OLD_ONE = "a" * 64
MINE, SHARED, THEIRS = "1" * 16, "2" * 16, "3" * 16
CLAIM = Claim("s" * 64, ONE, False, OLD_ONE, (MINE, SHARED))
FOREIGN = (THEIRS,)

BEGINNINGS = [
    ("nothing", None, Begin.SEND),
    ("not_certain_yet", Record(ClaimState.FLIGHT, ""), Begin.WAIT),
    ("in_flight", Record(ClaimState.FLIGHT, ONE), Begin.WAIT),
    ("lease_lost", Record(ClaimState.FLIGHT, ONE, leased=False), Begin.UNKNOWN),
    ("kept", Record(ClaimState.KEPT, ONE, 201, b"x"), Begin.REPLAY),
    ("spent", Record(ClaimState.SPENT, ONE, 201), Begin.SPENT),
    ("unknown", Record(ClaimState.UNKNOWN, ONE), Begin.UNKNOWN),
    *((f"other_{state}", Record(state, OTHER), Begin.CONFLICT) for state in ClaimState),
    ("other_lost", Record(ClaimState.FLIGHT, OTHER, leased=False), Begin.CONFLICT),
    ("previous_release", Record(ClaimState.KEPT, OLD_ONE, 201, b"x"), Begin.REPLAY),
    ("other_of_the_previous_release", Record(ClaimState.KEPT, "b" * 64, 201, b"x"), Begin.CONFLICT),
    ("b16_own_key_rotated", Record(ClaimState.KEPT, ONE, 201, b"x", True, (THEIRS, SHARED)), Begin.REPLAY),
    *(
        (f"b16_foreign_{state}", Record(state, ONE, 201, b"", False, FOREIGN), Begin.SEND)
        for state in ClaimState
    ),
    ("b16_foreign_in_flight", Record(ClaimState.FLIGHT, OTHER, identities=FOREIGN), Begin.WAIT),
]


@pytest.mark.parametrize(
    ("record", "begin"), [row[1:] for row in BEGINNINGS], ids=[row[0] for row in BEGINNINGS]
)
def test_beginnings(record: Record | None, begin: Begin) -> None:
    assert decide_begin(record, CLAIM) is begin


@given(
    st.builds(
        Record,
        st.sampled_from(ClaimState),
        st.sampled_from(["", ONE, OTHER, OLD_ONE]),
        leased=st.booleans(),
        identities=st.sampled_from([(), (MINE,), (THEIRS, SHARED)]),
    )
)
def test_whatever_is_recorded_is_never_sent(record: Record) -> None:
    assert decide_begin(record, CLAIM) is not Begin.SEND


JUDGEMENTS = [
    *(
        (status, ClaimState.KEPT)
        for status in (200, 201, 204, 299, 302, 303, 307, 400, 404, 409, 415, 422, 499)
    ),
    *((status, None) for status in (401, 403, 408, 429)),
    *((status, ClaimState.UNKNOWN) for status in (500, 501, 502, 503, 504, 599)),
]


@pytest.mark.parametrize(("status", "state"), JUDGEMENTS)
def test_judgements(status: int, state: ClaimState | None) -> None:
    record = record_of(_answer(status), Claim(ONE, OTHER))
    assert (record and record.state) == state
    assert record is None or record.fingerprint == OTHER
    if state is ClaimState.KEPT:
        assert record is not None
        assert decode_answer(record.answer).status == status


def test_what_cannot_be_kept_is_spent() -> None:
    spent = Record(ClaimState.SPENT, OTHER, 201)
    claim = Claim(ONE, OTHER)
    streamed = _answer(201)
    streamed.rest = object()  # type: ignore[assignment]
    assert record_of(streamed, claim) == spent
    assert record_of(_answer(201, b"x" * STORED_BYTES), claim) == spent
    assert record_of(_answer(201), claim._replace(conceals=True)) == spent


_token = st.text("abcdefgh-XYZ", min_size=1).map(str.encode)
_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")).map(
    lambda text: text.strip().encode("latin-1")
)


@given(
    st.integers(200, 499),
    st.text("abc XYZ'"),
    st.lists(st.tuples(_token, _value)).map(tuple),
    st.binary(),
)
def test_an_answer_comes_back_byte_for_byte(
    status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    again = decode_answer(encode_response(Response(status, reason, fields, body, None)))
    assert (again.status, again.reason, again.body, again.rest) == (status, reason, body, None)
    assert again.fields == (*fields, (b"Idempotent-Replayed", b"true"))


def test_a_replay_says_so_once() -> None:
    first = Response(201, "", ((b"idempotent-replayed", b"false"), (b"A", b"b")), b"", None)
    assert decode_answer(encode_response(first)).fields == ((b"A", b"b"), (b"Idempotent-Replayed", b"true"))


@given(st.binary())
def test_a_damaged_answer_is_a_value_error(data: bytes) -> None:
    try:
        answer = decode_answer(data)
    except ValueError:
        return
    assert isinstance(answer.status, int)


def test_refusals() -> None:
    record = Record(ClaimState.SPENT, ONE, 201)
    spent = make_refusal(Begin.SPENT, record)
    assert (spent.status, spent.headers) == (409, (("Gateway-Outcome", "done"),))
    assert "201" in spent.detail
    unknown = make_refusal(Begin.UNKNOWN, record)
    assert (unknown.status, unknown.headers) == (502, (("Gateway-Outcome", "unknown"),))
    assert make_refusal(Begin.CONFLICT, record).status == 422
    assert (in_flight().status, store_unavailable().status) == (409, 503)
    assert in_flight().headers == store_unavailable().headers == (("Retry-After", "1"),)


def test_a_records_repr_shows_no_answer() -> None:
    assert "secret" not in repr(Record(ClaimState.KEPT, ONE, 201, b"secret"))


def _answer(status: int, body: bytes = b'{"sid": "SM1"}') -> Response:
    return Response(status, "Reason", ((b"Content-Type", b"application/json"),), body, None)
