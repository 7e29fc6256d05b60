"""The values the catalogue answers with: a `Route` and the kind of body it takes.

Owns their meaning and nothing else: `route_trie.py` finds a route, and policy says what is allowed on it.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.twilio.catalogue.parameter_index import NO_INDEX, ParameterIndex
from gateway.twilio.catalogue.parameter_table import Parameters

OTHER: Final = "{other}"
"""The label and template of every path the catalogue does not hold, so that labels stay bounded."""

UNLISTED: Final = "*"
"""`Route.method` where the catalogue lists no such method on the path, or no such path."""


class BodyKind(Enum):
    """Which request bodies a route admits (docs/design.md 4.5)."""

    FORM = "form"
    """`application/x-www-form-urlencoded` or `multipart/form-data`."""
    JSON = "json"
    """`application/json`, and on the SCIM routes of `preview-iam` `application/scim+json`."""
    ANY = "any"
    """Whatever the caller sends, streamed: the upload hosts."""
    FORM_OR_JSON = "form_or_json"
    """Not known: either is let through, because Twilio adds JSON routes weekly."""


@dataclass(frozen=True, slots=True)
class Route:
    """What the catalogue knows of one (product, method, path)."""

    product: str
    """The first label of the upstream host: `api`, `verify`, `mcs`."""
    method: str
    """The catalogue's, not the request's: GET for HEAD, POST for PUT on `api`, `UNLISTED` if not known."""
    template: str
    """`/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}`: as documented, without `.json`. Or `OTHER`."""
    label: str
    """The metric label, one of `Catalogue.labels`: the template. `product` goes with it, for the host."""
    body_kind: BodyKind
    """Asked only if there is a body; an operation that takes none has that of an unknown route."""
    known: bool
    """Whether the catalogue lists this method on this path."""
    instance: bool
    """The template ends in a parameter: a PUT replaces one thing, and may be repeated (docs/design.md 4.7).
    """
    idempotency_key: bool = False
    """The operation declares the header `Idempotency-Key`; only then does it go upstream (docs/design.md
    4.7).
    """
    parameters: Parameters = field(default_factory=dict, repr=False, compare=False)
    """The parameters of the operation's body; none if it is not `known`."""
    index: ParameterIndex = field(default=NO_INDEX, repr=False, compare=False)
    """All names of the catalogue, for parameters that the operation does not list."""
