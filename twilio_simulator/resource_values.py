"""The values that travel through the simulator: routes, kinds of resource, and answers.

Only shapes stand here. What a resource contains is in `core.py`, `iam.py` and `products.py`; what a verb
does is in `actions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from multidict import MultiDict

if TYPE_CHECKING:
    from twilio_simulator.created_resources import ResourceStore, StoredResource
    from twilio_simulator.directory import Directory, SimulatedCaller
    from twilio_simulator.received_request import Received

Fields: TypeAlias = dict[str, object]
Form: TypeAlias = MultiDict[str]
Headers: TypeAlias = tuple[tuple[str, str], ...]


class ResourceBodyKind(Enum):
    """What a route reads as its body."""

    FORM = "form"
    JSON = "json"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A body of `size_bytes` that is made while it is sent; the byte at offset i is i modulo 256."""

    size_bytes: int
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, before it is JSON or XML.

    `element` names the record in XML; for a list, `items` is the JSON key and `plural` the XML element.
    `raw` (content type and bytes) and `stream` replace `fields`.
    """

    status: int
    fields: Fields | None = None
    element: str = ""
    items: str | None = None
    plural: str = ""
    headers: Headers = ()
    raw: tuple[str, bytes] | None = None
    stream: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new record is made from. `uri` has no suffix and, on product hosts, is absolute."""

    sid: str
    account_sid: str
    uri: str
    stamp: str
    form: Form
    body: Fields
    mint: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Context:
    """Everything an action may look at."""

    store: ResourceStore
    directory: Directory
    received: Received
    caller: SimulatedCaller
    params: Mapping[str, str]
    now: float
    mint: Callable[[str], str]

    @property
    def account_sid(self) -> str:
        """The account of the path, or else the credential's."""
        return self.params.get("AccountSid", self.caller.account.sid)


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of resource. `filters` maps a query parameter to the field it is compared with."""

    key: str
    element: str
    plural: str
    prefix: str
    permission: str
    build: Callable[[Draft], Fields]
    change: Callable[[Fields, Form], None]
    filters: Mapping[str, str] = field(default_factory=dict)
    date_filter: str = ""
    created: Callable[[Context, StoredResource], None] | None = None
    deleted: Callable[[Context, StoredResource], None] | None = None


Action: TypeAlias = Callable[[Context], Answer]


@dataclass(frozen=True, slots=True)
class Verb:
    """What one method does on a route, and the permission it takes (restricted keys)."""

    action: Action
    permission: str


@dataclass(frozen=True, slots=True)
class ResourceRoute:
    """A path template of one product. `guarded` routes refuse Standard keys, as Twilio does."""

    product: str
    template: str
    verbs: Mapping[str, Verb]
    body: ResourceBodyKind = ResourceBodyKind.FORM
    guarded: bool = False


Match: TypeAlias = tuple[ResourceRoute, dict[str, str]]
"""A route, and the values of its template's parameters."""
