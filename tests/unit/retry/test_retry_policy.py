"""The table of docs/design.md 4.7, and how an answer's code and Retry-After are read."""

import gzip

import pytest

from gateway.errors import FailurePhase
from gateway.retry.retry_policy import (
    NextStep,
    Outcome,
    Situation,
    backoff_seconds,
    decide_attempt,
    is_replayable,
    may_have_been_done,
    read_code,
    read_retry_after,
    shrinks_limit,
)

_BACK, _RETRY, _REQUEUE, _KEY = (
    NextStep.HAND_BACK, NextStep.RETRY, NextStep.REQUEUE, NextStep.NEXT_KEY,
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "replayable", "once"),
    [
        (Outcome(failed_in=FailurePhase.CONNECT), _RETRY, _RETRY),
        (Outcome(failed_in=FailurePhase.SENT), _RETRY, _BACK),
        (Outcome(failed_in=FailurePhase.RESPONSE), _RETRY, _BACK),
        (Outcome(429, 20429), _REQUEUE, _REQUEUE),
        (Outcome(429, 45780), _REQUEUE, _REQUEUE),
        (Outcome(429, 0), _REQUEUE, _REQUEUE),
        (Outcome(429, 60203), _BACK, _BACK),
        (Outcome(429, 60212), _BACK, _BACK),
        (Outcome(503, 20503), _RETRY, _BACK),
        (Outcome(502), _RETRY, _BACK),
        (Outcome(504), _RETRY, _BACK),
        (Outcome(500, 20500), _BACK, _BACK),
        (Outcome(501), _BACK, _BACK),
        (Outcome(200), _BACK, _BACK),
        (Outcome(304), _BACK, _BACK),
        (Outcome(401, 20003), _BACK, _BACK),
        (Outcome(404, 20404), _BACK, _BACK),
    ],
    ids=str,
)
def test_the_table(outcome: Outcome, replayable: NextStep, once: NextStep) -> None:
    assert decide_attempt(outcome, Situation(replayable=True)) is replayable
    assert decide_attempt(outcome, Situation(replayable=False)) is once
    streamed = Situation(replayable=True, resendable=False, keys_left=1)
    assert decide_attempt(outcome, streamed) is _BACK


@pytest.mark.parametrize(
    ("outcome", "keys_left", "decision"),
    [
        (Outcome(401, 20003), 1, _KEY),
        (Outcome(401, 20003), 0, _BACK),
        (Outcome(401, 0), 1, _BACK),
        (Outcome(401, 20005), 1, _BACK),
        (Outcome(403, 20003), 1, _BACK),
        (Outcome(429, 20429), 1, _REQUEUE),
    ],
)
def test_only_a_refused_key_moves_on_to_the_next(
    outcome: Outcome, keys_left: int, decision: NextStep
) -> None:
    for replayable in (True, False):
        assert decide_attempt(outcome, Situation(replayable, keys_left=keys_left)) is decision


@pytest.mark.parametrize(
    ("product", "code", "signals", "decision"),
    [
        ("api", 20429, 1000, _REQUEUE),
        ("api", 0, 2, _REQUEUE),
        ("api", 0, 3, _BACK),
        ("verify", 20429, 0, _REQUEUE),
        ("verify", 20429, 1, _BACK),
        ("verify", 0, 1, _BACK),
    ],
)
def test_how_long_a_signal_is_waited_on(product: str, code: int, signals: int, decision: NextStep) -> None:
    situation = Situation(replayable=False, product=product, signals=signals)
    assert decide_attempt(Outcome(429, code), situation) is decision


@pytest.mark.parametrize(
    ("outcome", "product", "expected"),
    [
        (Outcome(429, 20429), "api", True),
        (Outcome(429, 20429), "verify", False),
        (Outcome(429, 60203), "api", False),
        (Outcome(503, 20429), "api", False),
    ],
)
def test_what_shrinks_the_limit(outcome: Outcome, product: str, expected: bool) -> None:
    assert shrinks_limit(outcome, product) == expected


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(failed_in=FailurePhase.CONNECT), False),
        (Outcome(failed_in=FailurePhase.SENT), True),
        (Outcome(failed_in=FailurePhase.RESPONSE), True),
        (Outcome(500), True),
        (Outcome(502), True),
        (Outcome(503), True),
        (Outcome(504), True),
        (Outcome(501), False),
        (Outcome(429, 20429), False),
        (Outcome(200), False),
    ],
    ids=str,
)
def test_what_may_have_been_done(outcome: Outcome, expected: bool) -> None:
    assert may_have_been_done(outcome) == expected


@pytest.mark.parametrize(
    ("method", "instance", "expected"),
    [
        ("GET", False, True),
        ("HEAD", False, True),
        ("DELETE", False, True),
        ("PUT", True, True),
        ("PUT", False, False),
        ("POST", True, False),
        ("PATCH", True, False),
    ],
)
def test_what_may_be_done_twice(method: str, instance: bool, expected: bool) -> None:
    assert is_replayable(method, instance=instance) == expected


def test_backoff_is_full_jitter_up_to_a_bound_that_doubles() -> None:
    bounds = [backoff_seconds(retry, 0.5, 3.0, lambda low, high: high) for retry in range(5)]
    assert bounds == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff_seconds(4, 0.5, 3.0, lambda low, high: low) == 0.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 30, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:17:00", 0.0),
        ("Thu, 01 Jan 1970 00:17:00 +99999999999999", 0.0),
        ("Thu, 99 Jan 99999 00:17:00 GMT", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("\u0661", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert read_retry_after(value, 1000.0) == seconds


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code": 20429, "message": "Too Many Requests"}', 20429),
        (b'{"message":"x","code":20003}', 20003),
        (b'{"code" :\n "20003"}', 20003),
        (b"<RestException><Code>20404</Code></RestException>", 20404),
        (b'{"code": null}', 0),
        (b'{"code": "abc"}', 0),
        (b'{"code": 12345678}', 0),
        (b'{"error_code": 30003}', 0),
        (b"", 0),
        (b"\x1f\x8b\xff", 0),
        (b" " * 5000 + b'{"code": 20003}', 0),
    ],
)
def test_the_code_of_an_answer(body: bytes, code: int) -> None:
    assert read_code(body) == code
    assert read_code(gzip.compress(body)) == code


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8bnot gzip", gzip.compress(b'{"code": 20003}')[:12]])
def test_a_broken_body_has_no_code(body: bytes) -> None:
    assert read_code(body) == 0
