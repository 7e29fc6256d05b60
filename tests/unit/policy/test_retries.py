"""What follows from an attempt's outcome, and how Twilio's code is read."""

import pytest

from gateway.errors import Phase
from gateway.policy.retries import Decision, Outcome, decide_attempt, is_replayable, read_code


@pytest.mark.parametrize(
    ("outcome", "keys_left", "resendable", "decision"),
    [
        (Outcome(401, 20003), 1, True, Decision.NEXT_KEY),
        (Outcome(401, 20003), 0, True, Decision.HAND_BACK),
        (Outcome(401, 20003), 1, False, Decision.HAND_BACK),
        (Outcome(401, 0), 1, True, Decision.HAND_BACK),
        (Outcome(401, 20005), 1, True, Decision.HAND_BACK),
        (Outcome(403, 20003), 1, True, Decision.HAND_BACK),
        (Outcome(200), 1, True, Decision.HAND_BACK),
        (Outcome(500, 20500), 1, True, Decision.HAND_BACK),
    ],
)
def test_only_a_refused_key_moves_on_to_the_next(
    outcome: Outcome, keys_left: int, resendable: bool, decision: Decision
) -> None:
    assert decide_attempt(outcome, keys_left=keys_left, resendable=resendable) is decision


def test_a_failure_is_handed_back() -> None:
    failed = Outcome(failed_in=Phase.SENT)
    assert decide_attempt(failed, keys_left=1, resendable=True) is Decision.HAND_BACK


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
