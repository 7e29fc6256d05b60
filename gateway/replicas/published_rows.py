"""How what is published is written: bounded in count and bytes, whatever a caller sent. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.observe.live.recent_exchanges import Numbered
from gateway.replicas.row_filter import Row

MOST_ROW_BYTES: Final = 4096
MOST_TABLE_BYTES: Final = 262_144
MOST_ANSWER_BYTES: Final = 1_048_576
MOST_TABLE_ROWS: Final = 300


def write_row(replica: str, each: Numbered) -> bytes:
    """An exchange; without its steps if they are too many, empty if it is too long without them."""
    row = {**each.as_json(), "replica": replica}
    text = orjson.dumps(row)
    if len(text) > MOST_ROW_BYTES:
        text = orjson.dumps({**row, "steps": []})
    return text if len(text) <= MOST_ROW_BYTES else b""


def write_tables(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """The tables, each cut to the rows with the most requests until all fit; empty if none do."""
    most = MOST_TABLE_ROWS
    while most:
        cut = {name: _busiest(rows, most) for name, rows in tables.items()}
        text = orjson.dumps(cut)
        if len(text) <= MOST_TABLE_BYTES:
            return text
        most //= 2
    return b""


def write_answer(replica: str, rows: Sequence[Row]) -> bytes:
    """The answer to a question: the newest rows that fit, and whether these are all."""
    kept: list[bytes] = []
    size = 0
    for row in rows:
        text = orjson.dumps(row)
        size += len(text) + 1
        if size > MOST_ANSWER_BYTES:
            break
        kept.append(text)
    head = orjson.dumps({"replica": replica, "all": len(kept) == len(rows)})
    return head[:-1] + b',"exchanges":[' + b",".join(kept) + b"]}"


def write_object(replica: str, field: str, content: Sequence[object]) -> bytes:
    """An answer in one piece; without its content if it is too long."""
    text = orjson.dumps({"replica": replica, field: content})
    return text if len(text) <= MOST_ANSWER_BYTES else orjson.dumps({"replica": replica})


def _busiest(rows: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    if len(rows) <= most:
        return rows
    return sorted(rows, key=lambda row: -(row.get("requests") or row.get("count") or 0))[:most]


def write_about(about: Mapping[str, object], *, stopped: bool) -> bytes:
    """What a replica says of itself."""
    return orjson.dumps({**about, "stopped": stopped})
