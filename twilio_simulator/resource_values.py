"""The plain values of the simulator: fields, forms, headers, body kinds and answers.

Imports nothing of the simulator, so that every other file may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from multidict import MultiDict

Fields: TypeAlias = dict[str, object]
Form: TypeAlias = MultiDict[str]
Headers: TypeAlias = tuple[tuple[str, str], ...]


class ResourceBodyKind(Enum):
    """What a route reads as its body."""

    FORM = "form"
    JSON = "json"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A body of `size_bytes` that is made while it is sent; the byte at offset i is i modulo 256."""

    size_bytes: int
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, before it is JSON or XML.

    `element` names the record in XML; for a list, `items` is the JSON key and `plural` the XML element.
    `raw` (content type and bytes) and `stream` replace `fields`.
    """

    status: int
    fields: Fields | None = None
    element: str = ""
    items: str | None = None
    plural: str = ""
    headers: Headers = ()
    raw: tuple[str, bytes] | None = None
    stream: Pattern | None = None
