"""One consumer's figures of several replicas: sums, and nothing of what has not the form."""

import json

import pytest

from gateway.observe.consumer_figures import MOST_ADDRESSES, merge_figures

ONE = {
    "requests": 3, "errors": 1, "refusals": 1, "rate": 0.1, "last_at": 20.0, "latest": 3, "started_at": 5.0,
    "durations": [[100, 2], [110, 1]], "codes": [[21211, 1]], "slugs": [["rate_limited", 1]],
    "sdks": [["twilio-go/1", 3]], "segments": [["DE", 2]], "repeats": [["/M", "held", 1]],
    "addresses": [["10.0.0.1", 2, 19.0], ["10.0.0.2", 1, 20.0]],
}  # fmt: skip
TWO = {
    **ONE, "requests": 4, "last_at": 30.0, "started_at": 4.0, "rate": 0.2, "durations": [[110, 4]],
    "sdks": [["twilio-php/8", 4]], "segments": [["DE", 1], ["US", 9]], "addresses": [["10.0.0.2", 4, 18.0]],
}  # fmt: skip


def test_sums() -> None:
    found = merge_figures([json.loads(json.dumps(each)) for each in (ONE, TWO)])
    assert (found["requests"], found["errors"], found["rate"], found["latest"]) == (7, 2, 0.3, 6)
    assert (found["last_at"], found["started_at"]) == (30.0, 4.0)
    assert found["durations"] == [[110, 5], [100, 2]]
    assert (found["codes"], found["slugs"]) == ([[21211, 2]], [["rate_limited", 2]])
    assert found["sdks"] == [["twilio-php/8", 4], ["twilio-go/1", 3]]
    assert (found["segments"], found["repeats"]) == ([["US", 9], ["DE", 3]], [["/M", "held", 2]])
    assert found["addresses"] == [["10.0.0.2", 5, 20.0], ["10.0.0.1", 2, 19.0]]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"requests": "many", "durations": 5, "codes": [[1]], "addresses": [["a", 1]], "slugs": {"a": 1}},
        {
            "codes": [["21211", 1]],
            "segments": [[1, 1], None, ["DE", "2"]],
            "last_at": None,
            "repeats": [["a", 1]],
        },
    ],
)
def test_what_another_release_wrote_is_left_out(other: dict[str, object]) -> None:
    assert merge_figures([ONE, other]) == merge_figures([ONE])


def test_addresses_are_bounded() -> None:
    many = {"addresses": [[f"10.0.{n}.1", n, 1.0] for n in range(100)]}
    found = merge_figures([many, many])["addresses"]
    assert len(found) == MOST_ADDRESSES
    assert found[0] == ["10.0.99.1", 198, 1.0]
