"""Taking one value out of what a store answered."""

import pytest

from gateway.config.schema.secret_values import SecretError
from gateway.secret_stores.store import Content, pick, split_place

CANARY = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("place", "expected"),
    [("a/b#c", ("a/b", "c")), ("a", ("a", "")), ("a#b c", ("a", "b c"))],
)
def test_split(place: str, expected: tuple[str, str]) -> None:
    assert split_place(place) == expected


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ("whole", "", "whole"),
        ('{"a": "x", "b": "y"}', "b", "y"),
        ('{"a": "x"}', "", '{"a": "x"}'),
        ({"a": "x"}, "a", "x"),
    ],
)
def test_pick(content: Content, key: str, expected: str) -> None:
    assert pick(content, key) == expected


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ({"a": CANARY}, "", "it has several values; add #KEY"),
        ({"a": CANARY}, "b", "it has no value by this key; correct what stands after the #"),
        ({"a": [CANARY]}, "a", "its value is not text; put it in quotes"),
        ({"a": None}, "a", "its value is not text"),
        (CANARY, "a", "it is not a JSON object; leave #KEY out, or store it as JSON"),
        (f'["{CANARY}"]', "a", "it is not a JSON object"),
        (f'{{"a": "{CANARY}"', "a", "it is not a JSON object"),
        ("[" * 100_000, "a", "it is not a JSON object"),
    ],
)
def test_no_text(content: Content, key: str, expected: str) -> None:
    with pytest.raises(SecretError, match=expected) as caught:
        pick(content, key)
    assert (
        CANARY not in f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    )
