"""Which routes create something that happens in the world: `effects.tsv`, reviewed by hand. Pure but for
reading it.

Only a POST to a collection can be one. Updates of an instance, tokens, checks, queries and validations are
none.
"""

import functools
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

CREATE = "create"
NONE = "none"


class RouteEffect(NamedTuple):
    """A row of the table: `effect` is `create` or `none`, `why` says why."""

    product: str
    template: str
    effect: str
    why: str


def read_effects() -> Iterator[RouteEffect]:
    """The rows of the package's table."""
    text = resources.files("gateway.twilio.catalogue").joinpath("effects.tsv").read_text("utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            yield RouteEffect(*line.split("\t"))


@functools.cache
def creating_routes() -> frozenset[tuple[str, str]]:
    """(product, path template) of every route whose POST creates something; read once."""
    return frozenset((row.product, row.template) for row in read_effects() if row.effect == CREATE)
