"""Exchanges as rows for a terminal: columns that stay where they are, colours by status. Pure.

Characters that are not printable are replaced, so that no value can control the terminal.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

Exchange = Mapping[str, Any]
"""As /api/exchanges gives it."""

_GAP = "  "
_FAIR_ROUTE, _MIN_ROUTE = 24, 12
_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_GREEN, _CYAN, _YELLOW, _RED, _MAGENTA = "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[1;31m", "\x1b[35m"
_BY_CLASS: Final = {0: _MAGENTA, 2: _GREEN, 3: _CYAN, 4: _YELLOW, 5: _RED}


class _Column(NamedTuple):
    title: str
    least: int
    right: bool = False


_COLUMNS: Final = (
    _Column("TIME", 12),
    _Column("CODE", 4),
    _Column("CONSUMER", 8),
    _Column("METHOD", 6),
    _Column("ROUTE", 12),
    _Column("TOTAL", 7, right=True),
    _Column("QUEUE", 7, right=True),
    _Column("TRIES", 5, right=True),
    _Column("WHY", 5),
    _Column("REPLICA", 7),
    _Column("REQUEST ID", 10),
)
_WIDE: Final = (
    _Column("KEY", 8),
    _Column("FROM", 9),
    _Column("SDK", 5),
    _Column("RULE", 5),
    _Column("SID", 34),
    _Column("OUTCOME", 7),
)
"""Who, by which rule, and what it was about: shown if it is asked for."""
_STATUS, _ROUTE, _QUEUE, _TRIES, _WHY, _REPLICA, _ID = 1, 4, 6, 7, 8, 9, 10
_FIRST_TO_GO: Final = (_ID, _QUEUE, _TRIES, _REPLICA)
_CONSUMER = 2
_MAX_WIDTHS: Final = {_CONSUMER: 24, _ID: 40}
"""On a terminal: callers choose how long these are, and the route needs the room."""


class _Layout(NamedTuple):
    """How wide each column is, and which are shown."""

    widths: list[int]
    shown: list[int]


class Table:
    """Remembers how wide its columns have become."""

    def __init__(self, *, colour: bool, wide: bool = False) -> None:
        """`wide` adds columns that say who it was; nothing is cut then."""
        self._colour = colour
        self.with_replica = False
        """Whether exchanges are of several replicas."""
        self._wide = wide
        self._columns = (*_COLUMNS, *_WIDE) if wide else _COLUMNS
        self._widths = [max(column.least, len(column.title)) for column in self._columns]

    def render(self, exchanges: Iterable[Exchange], width: int | None) -> list[str]:
        """A line per exchange, in the order given. `width` is the terminal's, None to cut nothing."""
        rows = [[*_cells(exchange), *(_wide_cells(exchange) if self._wide else ())] for exchange in exchanges]
        for row in rows:
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, row, strict=True)]
        layout = self._fit(width)
        return [_line(row, self._columns, self._colours(row), layout) for row in rows]

    def header(self, width: int | None) -> str:
        """The line of titles; after `render`, as wide as what it rendered."""
        colours = [_BOLD] * len(self._columns) if self._colour else None
        return _line([column.title for column in self._columns], self._columns, colours, self._fit(width))

    def _fit(self, width: int | None) -> _Layout:
        """Widths and the columns to show: the route gives way first, then whole columns."""
        widths, shown = list(self._widths), list(range(len(self._columns)))
        if not self.with_replica:
            shown.remove(_REPLICA)
        if width is None or self._wide:
            return _Layout(widths, shown)
        for index, most in _MAX_WIDTHS.items():
            widths[index] = min(widths[index], most)
        for victim in (None, *_FIRST_TO_GO):
            if victim in shown:
                shown.remove(victim)
            others = sum(widths[index] for index in shown if index != _ROUTE) + len(_GAP) * (len(shown) - 1)
            if width - others >= min(_FAIR_ROUTE, widths[_ROUTE]):
                break
        widths[_ROUTE] = min(widths[_ROUTE], max(width - others, _MIN_ROUTE))
        return _Layout(widths, shown)

    def _colours(self, row: Sequence[str]) -> list[str] | None:
        if not self._colour:
            return None
        status = row[_STATUS]
        colour = _BY_CLASS.get(int(status) // 100 if status.isdigit() else 0, "")
        colours = [""] * len(self._columns)
        colours[0] = colours[_REPLICA] = colours[_ID] = _DIM
        colours[_STATUS] = colours[_WHY] = colour
        return colours


def _line(
    row: Sequence[str], columns: Sequence[_Column], colours: Sequence[str] | None, layout: _Layout
) -> str:
    widths, shown = layout
    cells: list[str] = []
    for index in shown:
        cell, column = row[index], columns[index]
        if len(cell) > widths[index]:
            # A route's end says more than its beginning; a name begins with what tells it apart.
            keep = widths[index] - 1
            cell = "…" + cell[len(cell) - keep :] if index == _ROUTE else cell[:keep] + "…"
        padded = cell.rjust(widths[index]) if column.right else cell.ljust(widths[index])
        colour = colours[index] if colours else ""
        cells.append(f"{colour}{padded}{_RESET}" if colour else padded)
    return _GAP.join(cells).rstrip()


def _cells(exchange: Exchange) -> list[str]:
    at = exchange["at"]
    moment = time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"
    status = exchange["status"]
    route = f"{exchange['product']} {exchange['route']}".strip()
    return [
        moment,
        str(status) if status else "gone",
        printable(exchange["consumer"]),
        printable(exchange["method"]) or "-",
        printable(route) or "-",
        duration(exchange["seconds"]),
        duration(exchange["queue_seconds"]) if exchange["queue_seconds"] >= 0.001 else "-",
        str(exchange["attempts"]) if exchange["attempts"] else "-",
        printable(_why(exchange)) or "-",
        printable(exchange.get("replica", "")) or "-",
        printable(exchange["request_id"]),
    ]


def _wide_cells(exchange: Exchange) -> list[str]:
    sdk = exchange.get("sdk", "")
    values = (
        exchange.get("consumer_key"),
        exchange.get("address"),
        sdk if sdk != "other" else "",
        exchange.get("rule"),
        exchange.get("created_sid") or exchange.get("resource_sid"),
        exchange.get("outcome"),
    )
    return [printable(value or "-") for value in values]


def _why(exchange: Exchange) -> str:
    """What there is to say of it in a word or two."""
    slug = exchange["slug"]
    named = {"rate_limited": exchange.get("limit"), "form_rule": exchange.get("rule")}.get(slug)
    words = [
        f"{slug}: {named}"
        if named
        else slug or (str(exchange["twilio_code"]) if exchange["twilio_code"] else "")
    ]
    if exchange["ending"] != "answered":
        words.append(exchange["ending"])
    if exchange["unknown"]:
        words.append("outcome unknown")
    if exchange["reported"]:
        words.append(f"would refuse: {exchange['reported']}")
    return ", ".join(word for word in words if word)


def duration(seconds: float) -> str:
    """'0.4 ms', '87 ms', '1.23 s', '75 s'."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds:.0f} s"


def printable(text: object) -> str:
    """A text without what a terminal would take for more than text."""
    return "".join(character if character.isprintable() else "?" for character in str(text))
