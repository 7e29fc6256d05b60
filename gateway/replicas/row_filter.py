"""Which exchanges of other replicas match: `Filter` on rows as /api/exchanges has them. Pure.

A test compares the two, field by field.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from gateway.observe.live.recent_exchanges import Filter

Row = Mapping[str, Any]
"""An exchange as /api/exchanges has it, with `replica`."""
_OTHER_NAMES: Final = {"code": "twilio_code"}
_SEVERAL: Final = {"key": ("consumer_key", "key"), "sid": ("created_sid", "resource_sid")}
_FIELDS: Final = tuple(each.name for each in fields(Filter))


def admits_row(wanted: Filter, row: Row) -> bool:
    """Whether this exchange matches. A row of an earlier release may lack fields: it does not match."""
    for name in _FIELDS:
        value = getattr(wanted, name)
        if value and not _matches(name, value, row):
            return False
    return True


def is_row(content: object) -> bool:
    """Whether what another replica wrote is an exchange that can be shown beside others."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("seq"), int)
        and isinstance(content.get("at"), int | float)
        and isinstance(content.get("replica"), str)
    )


def _matches(name: str, value: Any, row: Row) -> bool:
    if name in _SEVERAL:
        return any(row.get(each) == value for each in _SEVERAL[name])
    if name == "since":
        return isinstance(at := row.get("at"), int | float) and bool(at >= value)
    if name == "until":
        return isinstance(at := row.get("at"), int | float) and bool(at <= value)
    found = row.get(_OTHER_NAMES.get(name, name))
    if name == "status" and isinstance(found, int):
        return found // 100 == int(value[0]) if value.endswith("xx") else found == int(value)
    if name == "sdk":
        return isinstance(found, str) and value in (found, found.partition("/")[0])
    if name == "route":
        return isinstance(found, str) and value.lower() in found.lower()
    return bool(found == value)
