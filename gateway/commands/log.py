"""`gateway log`: finds and counts exchanges in log files: who, with which key, from where, by which rule.

Reads JSON lines of every `log.schema`, rotated and compressed files too. Lines that are not exchanges are
passed over; those that are torn are counted.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

from gateway.commands.tail_table import duration, printable

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG: Final = """\
examples:
  gateway log gateway.log --sid SM0011…                        who sent this message, and from where
  gateway log gateway.log gateway.log.1.gz --key 1a2b3c4d      everything that was done with a key
  gateway log gateway.log --key 1a2b3c4d --by address,sdk      from where it is used
  kubectl logs deploy/gateway | gateway log - --address 192.0.2.7 --by consumer,consumer_key,gateway_error

A key is the beginning of the SHA-256 of a consumer's key, as in the configuration. The fields are those of
docs/log-fields.md. Times are UTC, as much of 2026-11-29T06:15:00 as is wanted.
exit codes: 0 found, 1 nothing found, 2 wrong usage or a file that cannot be read
"""
_EXACT: Final = ("consumer", "address", "rule", "request_id", "method", "gateway_error")
_COLUMNS: Final = (
    "timestamp", "status", "consumer", "consumer_key", "address", "method", "product", "route", "rule",
    "resource_sid", "created_sid", "gateway_error", "outcome", "seconds", "request_id",
)  # fmt: skip
Line: TypeAlias = Mapping[str, Any]


def add_parser(subparsers: "Subparsers") -> None:
    """Add `log` to the command line."""
    parser = subparsers.add_parser(
        "log",
        help="find and count exchanges in log files",
        description="Find and count exchanges in log files, the oldest first.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a log, also rotated (.gz); - reads standard input"
    )
    parser.add_argument("--consumer", metavar="NAME", help="of this consumer")
    parser.add_argument("--key", metavar="DIGITS", help="with this consumer key: the digest's first digits")
    parser.add_argument("--address", metavar="IP", help="from this address")
    parser.add_argument("--sid", metavar="SID", help="that addressed, created or was for this SID")
    parser.add_argument("--rule", metavar="RULE", help="that this rule allowed or refused")
    parser.add_argument("--request-id", metavar="ID", help="with this X-Request-Id")
    parser.add_argument("--method", metavar="METHOD", help="with this method")
    parser.add_argument(
        "--slug", metavar="SLUG", dest="gateway_error", help="refused or failed with this slug"
    )
    parser.add_argument("--since", metavar="TIME", default="", help="that ended at this time or later")
    parser.add_argument("--until", metavar="TIME", default="", help="that ended before this time")
    parser.add_argument(
        "--by", metavar="FIELD[,FIELD]", help="count by these fields, the most frequent first"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines by the plain names")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if something was found, 1 if not, 2 for what cannot be read or asked."""
    from gateway.observe.log.log_fields import FIELDS

    fields = tuple(args.by.split(",")) if args.by else ()
    if unknown := [name for name in fields if name not in FIELDS]:
        print(f"gateway log: no field is called {unknown[0]!r}; see docs/log-fields.md", file=sys.stderr)
        return 2
    reader = _Reader(args)
    try:
        found = (
            _count(reader.lines(), fields, as_json=args.json) if fields else _show(reader.lines(), args.json)
        )
    except (OSError, EOFError) as error:
        print(f"gateway log: {error}", file=sys.stderr)
        return 2
    if reader.unreadable:
        print(f"{reader.unreadable} lines are not whole JSON and were left out", file=sys.stderr)
    if not found:
        print("No exchange in these files matches.", file=sys.stderr)
    return 0 if found else 1


class _Reader:
    """Reads the files, and gives the exchanges that were asked for."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._files: list[str] = args.files
        self._exact = {name: getattr(args, name) for name in _EXACT if getattr(args, name) is not None}
        self._key = (args.key or "").removeprefix("sha256:")[:8]
        self._sid: str = args.sid or ""
        self._since: str = args.since
        self._until: str = args.until
        wanted = [self._exact.get("address"), self._exact.get("request_id"), self._key, self._sid[-4:]]
        self._parts = [each.encode() for each in wanted if each]  # as they stand in a line, of any schema
        self.unreadable = 0

    def lines(self) -> Iterator[Line]:
        """Exchanges by the plain names, in the order in which they ended."""
        found = [line for name in self._files for line in self._read(name) if self._is_wanted(line)]
        found.sort(key=lambda line: str(line.get("timestamp", "")))
        yield from found

    def _read(self, name: str) -> Iterator[Line]:
        if name == "-":
            yield from self._parse(sys.stdin.buffer)
            return
        path = Path(name)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from self._parse(file)

    def _parse(self, file: "IO[bytes] | gzip.GzipFile") -> Iterator[Line]:
        import orjson

        from gateway.observe.log.log_schema import to_plain

        for text in file:
            if b'"exchange"' not in text or any(part not in text for part in self._parts):
                continue
            try:
                line = orjson.loads(text[text.index(b"{") :])  # a collector may put a time before it
            except ValueError:
                self.unreadable += 1
                continue
            if isinstance(line, dict) and (plain := to_plain(line)).get("event") == "exchange":
                yield plain

    def _is_wanted(self, line: Line) -> bool:
        at = str(line.get("timestamp", ""))
        return (
            all(line.get(name, "") == value for name, value in self._exact.items())
            and (not self._key or str(line.get("consumer_key", "")).startswith(self._key))
            and (not self._sid or _names(line, self._sid))
            and (not self._since or at >= self._since)
            and (not self._until or at < self._until)
        )


def _names(line: Line, sid: str) -> bool:
    """Whether a line is about a SID. API keys are masked in it: given in full, one is found all the same."""
    from gateway.consumers.credentials import mask_sid

    masked = mask_sid(sid) if sid.startswith("SK") and "…" not in sid else sid
    return any(line.get(name) in (sid, masked) for name in ("created_sid", "resource_sid", "account", "key"))


def _show(lines: Iterable[Line], as_json: bool) -> int:
    """Print one line each; gives how many."""
    count = 0
    for line in lines:
        count += 1
        if as_json:
            print(json.dumps(line, ensure_ascii=False))
            continue
        if count == 1:
            print("  ".join(name.upper() for name in _COLUMNS))
        print("  ".join(_cell(name, line.get(name)) for name in _COLUMNS))
    return count


def _cell(name: str, value: Any) -> str:
    if name == "seconds" and value is not None:
        return duration(float(value))
    return printable(value) if value not in (None, "") else "-"


def _count(lines: Iterable[Line], fields: tuple[str, ...], *, as_json: bool) -> int:
    """Print how many there are of each kind, with the first and the last time; gives how many kinds."""
    groups: dict[tuple[str, ...], list[Any]] = {}
    for line in lines:
        values = tuple(printable(line.get(name, "")) for name in fields)
        at = str(line.get("timestamp", ""))
        group = groups.setdefault(values, [0, at, at])
        group[0] += 1
        group[2] = at
    if groups and not as_json:
        print("  ".join(("COUNT", "FIRST", "LAST", *(name.upper() for name in fields))))
    for values, (count, first, last) in sorted(groups.items(), key=lambda item: (-item[1][0], item[0])):
        if as_json:
            named = dict(zip(fields, values, strict=True))
            print(json.dumps({"count": count, "first": first, "last": last, **named}, ensure_ascii=False))
        else:
            print("  ".join((str(count), first, last, *(value or "-" for value in values))))
    return len(groups)
