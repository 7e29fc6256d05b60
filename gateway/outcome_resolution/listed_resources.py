"""Reads a page of Twilio's list of messages or calls: which of its resources a create may have made. Pure."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import orjson

from gateway.policy.comparable_fields import ListFilter, comparable_resource, is_address

SLACK_SECONDS: Final = 5.0
"""A resource may be dated so much before the attempt that made it: clocks differ."""
_OUTBOUND: Final = "outbound-api"
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


class UnreadablePage(ValueError):
    """A page that is not what Twilio's lists look like: nothing follows from the look."""


class Candidate(NamedTuple):
    """A resource that a create may have made. `comparable` as `comparable_resource` gives it.

    `exact`: a list for exactly this recipient has it. `to_matches`: its recipient is the one that was asked
    for.
    """

    sid: str
    created_at: float
    comparable: Mapping[str, str]
    exact: bool
    to_matches: bool

    def __repr__(self) -> str:  # it holds a message's text
        return f"Candidate({self.sid})"


class ListPage(NamedTuple):
    """`candidates` are those that are young enough; `next` is the target to read on at, '' if that is all."""

    candidates: tuple[Candidate, ...]
    next: str


def attempt_start(date: bytes, received_at: float, started_at: float) -> float:
    """When an attempt began by Twilio's clock, in seconds since the epoch.

    `date` is the Date of an answer of Twilio's that came at `received_at`; the attempt began at `started_at`
    by the same local clock. Raises `UnreadablePage` without a readable Date.
    """
    return read_moment(date.decode("latin-1")) - (received_at - started_at)


def read_page(body: bytes, lookup: ListFilter, since: float, *, exact: bool) -> ListPage:
    """The candidates of one page, and where the next is. `since` is the attempt's start by Twilio's clock.

    Lists are newest first, so that none follows behind one that is too old. Raises `UnreadablePage`.
    """
    page = _read_json(body)
    resources = page.get(lookup.kind)
    if not isinstance(resources, list):
        raise UnreadablePage("the list is missing")
    oldest = since - SLACK_SECONDS
    candidates: list[Candidate] = []
    ends = False
    for resource in resources:
        candidate = _read_resource(resource, lookup, exact=exact)
        if candidate.created_at < oldest:
            ends = True
        elif resource.get("direction") == _OUTBOUND:
            candidates.append(candidate)
    following = page.get("next_page_uri")
    if following is not None and not isinstance(following, str):
        raise UnreadablePage("the link to the next page is no text")
    return ListPage(tuple(candidates), "" if ends else following or "")


def read_moment(text: str) -> float:
    """An RFC 2822 date in seconds since the epoch. Raises `UnreadablePage`."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, IndexError, OverflowError):
        pass
    raise UnreadablePage("a date cannot be read")


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadablePage("it is not JSON") from None
    if not isinstance(page, dict):
        raise UnreadablePage("it is not an object")
    return page


def _read_resource(resource: object, lookup: ListFilter, *, exact: bool) -> Candidate:
    if not isinstance(resource, dict):
        raise UnreadablePage("a resource is not an object")
    sid, created, to = (resource.get(name) for name in ("sid", "date_created", "to"))
    if not (isinstance(sid, str) and _SID.fullmatch(sid) and isinstance(created, str)):
        raise UnreadablePage("a resource has no SID or date")
    to_matches = isinstance(to, str) and is_address(to, lookup.to)
    comparable = comparable_resource(lookup.kind, resource)
    return Candidate(sid, read_moment(created), comparable, exact, to_matches)
