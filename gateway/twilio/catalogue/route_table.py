"""The format of `routes.tsv`: one operation a line, its columns separated by tabs; `#` begins a comment.

Owns both directions, so that what the generator writes and what the gateway reads cannot drift apart.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from gateway.twilio.catalogue.route import BodyKind

COMMAND: Final = "python -m gateway.twilio.catalogue.generate"
IDEMPOTENCY_KEY: Final = "idempotency-key"
AUTHORIZATION: Final = "authorization"
_NOTHING: Final = "-"


class Row(NamedTuple):
    """One operation. `flags` holds the headers it declares that matter to the gateway, in lower case."""

    method: str
    product: str
    template: str
    body_kind: BodyKind | None
    flags: frozenset[str]


def render_table(rows: Iterable[Row], version: str) -> str:
    """The file's text, sorted by product, template and method, so that a diff shows what Twilio changed."""
    head = [
        f"# twilio {version}",
        f"# Generated; do not edit. Regenerate with: {COMMAND}",
        "# method\tproduct\ttemplate\tbody\tdeclared headers",
    ]
    ordered = sorted(rows, key=lambda row: (row.product, row.template, row.method))
    return "\n".join([*head, *map(_render_row, ordered), ""])


def _render_row(row: Row) -> str:
    kind = row.body_kind.value if row.body_kind else _NOTHING
    return "\t".join((row.method, row.product, row.template, kind, ",".join(sorted(row.flags)) or _NOTHING))


def parse_table(text: str) -> Iterator[Row]:
    """The rows of a file that `render_table` wrote. Raises ValueError for any other."""
    kinds = {_NOTHING: None, **{kind.value: kind for kind in BodyKind}}
    none: frozenset[str] = frozenset()
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        method, product, template, kind, flags = line.split("\t")
        if kind not in kinds:
            raise ValueError(f"routes.tsv: unknown body kind {kind!r}; regenerate it with: {COMMAND}")
        yield Row(
            method, product, template, kinds[kind], none if flags == _NOTHING else frozenset(flags.split(","))
        )
