"""Idempotency-Key: which texts are keys, and which spellings are one key."""

import pytest

from gateway.errors import Refusal
from gateway.policy.idempotency_key import read_key

KEYS = [
    ("abc", "abc"),
    ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
    ('"abc"', "abc"),
    (r'"a\"b\\c"', 'a"b\\c'),
    ("  abc\t", "abc"),
    ('a"b', 'a"b'),
    ("!", "!"),
    ("k" * 255, "k" * 255),
    ('"' + "k" * 255 + '"', "k" * 255),
]


@pytest.mark.parametrize(("value", "key"), KEYS, ids=range(len(KEYS)))
def test_keys(value: str, key: str) -> None:
    assert read_key(value) == key


@pytest.mark.parametrize(
    "value",
    ["", " ", '""', "a b", '"a b"', '"abc', '"abc";p=1', r'"a\b"', '"a"b"', "k" * 256, "k\x7f", "a\tb"],
)
def test_what_is_no_key(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_key(value)
    assert (refused.value.slug, refused.value.status) == ("bad_header", 400)
    assert not value.strip() or value.strip() not in refused.value.detail
