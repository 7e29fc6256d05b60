"""The query parameters of /api: read strictly, so that a mistyped filter is never ignored. Pure.

Raises `ValueError` with a text that says what is accepted and quotes nothing that was given.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from multidict import MultiDict, MultiMapping
from yarl import URL

from gateway.consumers.credentials import mask_sid
from gateway.errors import KINDS
from gateway.observe.live.recent_exchanges import MAX_KEPT, Filter

ALL_REPLICAS = "all"
_DEFAULT_LIMIT = 100
_REPLICA = re.compile(r"[\x21-\x7e]{1,300}")
_TEXT = re.compile(r"[\x21-\x7e…][\x20-\x7e…]{0,199}")
_STATUS = re.compile(r"[1-5](?:xx|[0-9][0-9])", re.IGNORECASE)
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_MASKED = re.compile(r"AC[0-9a-fA-F]{4}…[0-9a-fA-F]{4}")
_MOMENT = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,6})?")
_NUMBER = re.compile(r"[0-9]{1,16}")


class PageQuery(NamedTuple):
    """Which stretch of the matching exchanges is meant; numbers are exclusive."""

    limit: int = _DEFAULT_LIMIT
    after: int | None = None
    before: int | None = None


def read_filter(query: MultiMapping[str], others: frozenset[str] = frozenset()) -> Filter:
    """The filter; `others` names the parameters that other functions read."""
    require_known(query, frozenset(_FILTERS) | others)
    return Filter(**{name: _FILTERS[name](query[name]) for name in query if name in _FILTERS and query[name]})


def read_page(query: MultiMapping[str]) -> PageQuery:
    """limit, after, before."""
    limit = read_limit(query, _DEFAULT_LIMIT, MAX_KEPT)
    return PageQuery(limit, read_number(query, "after"), read_number(query, "before"))


def read_limit(query: MultiMapping[str], default: int, most: int) -> int:
    """How many at most."""
    limit = read_number(query, "limit")
    limit = default if limit is None else limit
    if not 1 <= limit <= most:
        raise ValueError(f"limit is a number from 1 to {most}")
    return limit


def read_number(query: MultiMapping[str], name: str) -> int | None:
    """A parameter that is a number; None if it is left out or empty."""
    given = query.get(name, "")
    return _number(name, given) if given else None


def read_replica(query: MultiMapping[str]) -> str:
    """Whose exchanges or tables are asked for: 'all', a replica's name, or '' for this one."""
    given = query.get("replica", "")
    if given and not _REPLICA.fullmatch(given):
        raise ValueError("replica is all, or a name that /api/replicas has")
    return given


def written_query(query: MultiMapping[str], without: str = "") -> str:
    """A query string without one of its parameters."""
    kept = MultiDict((name, query[name]) for name in query if name != without)
    return URL.build(query=kept).raw_query_string


PAGE = frozenset(PageQuery._fields)


def require_known(query: MultiMapping[str], known: frozenset[str]) -> None:
    """Only these parameters, each once."""
    if not query.keys() <= known:
        names = ", ".join(sorted(known))
        raise ValueError(f"unknown parameter; known are: {names}" if known else "no parameter is taken here")
    if len(query) != len(set(query)):
        raise ValueError("a parameter may be given once")


def _text(value: str) -> str:
    if not _TEXT.fullmatch(value):
        raise ValueError("consumer, route, request_id, key, sdk and sid are up to 200 printable characters")
    return value


def _status(value: str) -> str:
    if not _STATUS.fullmatch(value):
        raise ValueError("status is a number like 404, or a class like 4xx")
    return value.lower()


def _account(value: str) -> str:
    if _ACCOUNT.fullmatch(value):
        return mask_sid(value)
    if not _MASKED.fullmatch(value):
        raise ValueError("account is an AccountSid, in full or masked as AC0011…eeff")
    return value


def _slug(value: str) -> str:
    if value not in KINDS:
        raise ValueError("slug is one of docs/errors.md, such as rate_limited")
    return value


def _code(value: str) -> int:
    return _number("code", value)


def _sid(value: str) -> str:
    text = _text(value)
    return mask_sid(text) if _ACCOUNT.fullmatch(text) else text


def _moment(name: str, value: str) -> float:
    if not _MOMENT.fullmatch(value):
        raise ValueError(f"{name} is in seconds since the epoch")
    return float(value)


def _number(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{name} is a whole number")
    return int(value)


_FILTERS: Mapping[str, Callable[[str], Any]] = {
    "consumer": _text,
    "route": _text,
    "status": _status,
    "request_id": _text,
    "account": _account,
    "slug": _slug,
    "code": _code,
    "key": _text,
    "sdk": _text,
    "sid": _sid,
    "since": partial(_moment, "since"),
    "until": partial(_moment, "until"),
}
