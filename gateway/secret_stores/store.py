"""What a store is to those who ask it, and how one value is taken out of what it answered.

Knows no store. No error here quotes what a store answered, because that is the secret.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import orjson

from gateway.config.schema.secret_values import SecretError

Content = str | Mapping[str, object]
"""A secret as its store has it: one text, or values by key."""
Read = Callable[[str], Awaitable[Content]]
"""Reads the secret of this name. Raises SecretError, which says what the store did, not which secret."""


class SecretStore(Protocol):
    """Keeps logins between rounds; connections last for one. Used by one round at a time."""

    def opened(self) -> AbstractAsyncContextManager[Read]:
        """Ready to be asked, on the running loop."""


def split_place(place: str) -> tuple[str, str]:
    """`twilio/main#api_secret` is the secret's name, and the key of one value or ''."""
    name, _, key = place.partition("#")
    return name, key


def pick(content: Content, key: str) -> str:
    """The text at `key`, or all of it. Raises SecretError if there is no such text."""
    if not key:
        if isinstance(content, str):
            return content
        raise SecretError("it has several values", "add #KEY to its name")
    values = _values(content) if isinstance(content, str) else content
    if key not in values:
        raise SecretError(
            "it has no value by this key", "correct what stands after the #, or add the value there"
        )
    value = values[key]
    if not isinstance(value, str):
        raise SecretError("its value is not text", "put it in quotes where it is stored")
    return value


def _values(text: str) -> Mapping[str, object]:
    try:
        values = orjson.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        # Not inside `except`: the original error holds the text.
        raise SecretError("it is not a JSON object", "leave #KEY out, or store it as JSON")
    return values
