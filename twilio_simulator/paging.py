"""Lists in pages: relative `next_page_uri` on the 2010 API, absolute `meta.next_page_url` on the products.

A token names the record beside it, not an offset, so that a page does not shift while others are created.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from twilio_simulator.created_resources import StoredResource
from twilio_simulator.dates import iso_day
from twilio_simulator.resource_kinds import ResourceKind
from twilio_simulator.resource_values import Fields, Form
from twilio_simulator.simulated_errors import TwilioError

_DEFAULT_SIZE: Final = 50
_MAX_SIZE: Final = 1000
_PAGING: Final = ("PageSize", "Page", "PageToken")


@dataclass(frozen=True, slots=True)
class ResourcePage:
    """One page of a list. A token is None where there is no page on that side."""

    records: Sequence[StoredResource]
    number: int
    size: int
    next_token: str | None
    previous_token: str | None


def match_records(kind: ResourceKind, records: Sequence[StoredResource], query: Form) -> list[StoredResource]:
    """The records that the query's filters let through; `DateSent<` and `DateSent>` compare days."""
    kept = list(records)
    for parameter, field in kind.filters.items():
        wanted = query.get(parameter)
        if wanted:
            kept = [record for record in kept if record.fields[field] == wanted]
    tests: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
        ("", str.__eq__),
        ("<", str.__le__),
        (">", str.__ge__),
    )
    for sign, holds in tests:
        day = query.get(kind.date_filter + sign) if kind.date_filter else None
        if day:
            kept = [
                record
                for record in kept
                if not (kind.date_field and record.fields[kind.date_field] is None)
                and holds(iso_day(record.created), day[:10])
            ]
    return kept


def cut_page(records: Sequence[StoredResource], query: Form) -> ResourcePage:
    """One page of records that stand newest first. Raises 400 for numbers or tokens that are none."""
    size = min(max(_number(query, "PageSize", _DEFAULT_SIZE), 1), _MAX_SIZE)
    number = _number(query, "Page", 0)
    start = _start(records, query.get("PageToken"), number, size)
    shown = records[start : start + size]
    more = start + size < len(records)
    return ResourcePage(
        records=shown,
        number=number,
        size=size,
        next_token=f"PA{shown[-1].sequence:032x}" if more else None,
        previous_token=f"PB{shown[0].sequence:032x}" if start > 0 and shown else None,
    )


def core_list(kind: ResourceKind, page: ResourcePage, path: str, query: Form, items: list[Fields]) -> Fields:
    """A list as the 2010 API writes it, with URIs relative to the host."""
    start = page.number * page.size
    return {
        "end": start + max(len(items) - 1, 0),
        "first_page_uri": _link(path, query, page.size, 0, None),
        "next_page_uri": _next(path, query, page),
        "page": page.number,
        "page_size": page.size,
        "previous_page_uri": _previous(path, query, page),
        kind.key: items,
        "start": start,
        "uri": _link(path, query, page.size, page.number, query.get("PageToken")),
    }


def product_list(
    kind: ResourceKind, page: ResourcePage, url: str, query: Form, items: list[Fields]
) -> Fields:
    """A list as the product APIs write it, with absolute URLs in `meta`."""
    return {
        "meta": {
            "page": page.number,
            "page_size": page.size,
            "first_page_url": _link(url, query, page.size, 0, None),
            "previous_page_url": _previous(url, query, page),
            "url": _link(url, query, page.size, page.number, query.get("PageToken")),
            "next_page_url": _next(url, query, page),
            "key": kind.key,
        },
        kind.key: items,
    }


def _number(query: Form, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise TwilioError(400, 20001, f"{name} must be a whole number")
    return int(text)


def _start(records: Sequence[StoredResource], token: str | None, number: int, size: int) -> int:
    if not token:
        return number * size
    try:
        side, sequence = token[:2], int(token[2:], 16)
    except ValueError as error:
        raise TwilioError(400, 20001, "PageToken is invalid") from error
    if side == "PA":
        return bisect_right(records, -sequence, key=lambda record: -record.sequence)
    return max(0, bisect_left(records, -sequence, key=lambda record: -record.sequence) - size)


def _next(base: str, query: Form, page: ResourcePage) -> str | None:
    if page.next_token is None:
        return None
    return _link(base, query, page.size, page.number + 1, page.next_token)


def _previous(base: str, query: Form, page: ResourcePage) -> str | None:
    if page.previous_token is None:
        return None
    return _link(base, query, page.size, max(page.number - 1, 0), page.previous_token)


def _link(base: str, query: Form, size: int, number: int, token: str | None) -> str:
    pairs = [(name, value) for name, value in query.items() if name not in _PAGING]
    pairs += [("PageSize", str(size)), ("Page", str(number))]
    return f"{base}?{urlencode(pairs + ([('PageToken', token)] if token else []))}"
