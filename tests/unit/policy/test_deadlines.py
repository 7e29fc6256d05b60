"""`Gateway-Timeout`: a caller may shorten its deadline, never lengthen it."""

import pytest

from gateway.errors import Refusal
from gateway.policy.deadlines import read_deadline
from tests.support.judging import head


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 25.0), (b"5", 5.0), (b"0.250", 0.25), (b"25", 25.0), (b"60", 25.0), (b"99999", 25.0)],
)
def test_the_lower_bound_counts(value: bytes | None, seconds: float) -> None:
    fields = () if value is None else ((b"Gateway-Timeout", value),)
    assert read_deadline(head("GET", "/", *fields), 25.0) == seconds


@pytest.mark.parametrize(
    "value", [b"", b"0", b"0.0", b"-1", b"1e3", b"inf", b"nan", b"5s", b"100000", b"1_0"]
)
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(Refusal, match="bad_header"):
        read_deadline(head("GET", "/", (b"Gateway-Timeout", value)), 25.0)
