"""The shapes that describe a resource: its kind, its routes, and what an action is given.

What a resource contains is in `core_resources.py`, `account_resources.py` and `product_resources.py`; what a
verb does is in `actions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from twilio_simulator.created_resources import ResourceStore, StoredResource
from twilio_simulator.directory import Directory, SimulatedCaller
from twilio_simulator.faults import Plan
from twilio_simulator.received_request import Received
from twilio_simulator.resource_values import Answer, Fields, Form, ResourceBodyKind


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
    plan: Plan = field(default_factory=dict)
    """The faults that this request meets."""
    by_another: bool = False
    """Another program's request: what it creates is not counted (`second-sender`)."""

    @property
    def account_sid(self) -> str:
        """The account of the path, or else the credential's."""
        return self.params.get("AccountSid", self.caller.account.sid)


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of resource. `filters` maps a query parameter to the field it is compared with.

    `date_filter` is compared with the day of creation, of records that have their `date_field`.
    """

    key: str
    element: str
    plural: str
    prefix: str
    permission: str
    build: Callable[[Draft], Fields]
    change: Callable[[Fields, Form], None]
    filters: Mapping[str, str] = field(default_factory=dict)
    date_filter: str = ""
    date_field: str = ""
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
