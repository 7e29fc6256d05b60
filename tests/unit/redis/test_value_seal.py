"""Values that replicas share encrypted."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redis.value_seal import ValueSeal, read_key

KEY, OTHER = bytes(range(32)), bytes(32)


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_is_opened_in_its_context_only(value: str, context: str) -> None:
    seal = ValueSeal(KEY)
    sealed = seal.seal(value, context)
    assert seal.open(sealed, context) == value
    assert seal.open(sealed, context + "x") is None
    assert ValueSeal(OTHER).open(sealed, context) is None


@pytest.mark.parametrize("sealed", ["", "x", "é", "AAAA", base64.b64encode(bytes(40)).decode()])
def test_what_was_not_sealed_is_not_opened(sealed: str) -> None:
    assert ValueSeal(KEY).open(sealed, "") is None


def test_a_seal_shows_nothing() -> None:
    seal = ValueSeal(KEY)
    assert repr(seal) == "ValueSeal()"
    assert "+15005550006" not in seal.seal("+15005550006", "AC1")
    assert seal.digest_key not in (KEY, ValueSeal(OTHER).digest_key)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_read(encode: Callable[[bytes], bytes]) -> None:
    assert read_key(encode(KEY).decode() + "\n") == KEY


@pytest.mark.parametrize("text", ["", "AAAA", "no key", base64.b64encode(KEY + b"1").decode()])
def test_a_key_of_another_length_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not "):
        read_key(text)
    with pytest.raises(ValueError, match="32 bytes"):
        ValueSeal(text.encode())
