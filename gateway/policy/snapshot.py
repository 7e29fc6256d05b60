"""The active configuration, compiled: what every decision about a request looks things up in.

A snapshot is never changed; a reload compiles another (`config/compile.py`) and swaps one reference.
Counters, pools and the health of keys live elsewhere, so that a reload forgets nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import Credential
from gateway.identity.authentication import Identities
from gateway.identity.jwks import JwkSet
from gateway.policy.addressing import HostTable
from gateway.policy.bodies import BodyLimits
from gateway.policy.deadlines import Deadlines
from gateway.policy.watched_head import RepeatRoutes
from gateway.redis.value_seal import ValueSeal
from gateway.twilio.catalogue import Catalogue
from gateway.twilio.error_body import ErrorHelp
from gateway.twilio.request_fields import RequestFields


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decisions about one exchange depend on.

    `jwk_sets` are the keys of issuers that have them in a file.
    """

    catalogue: Catalogue
    hosts: HostTable
    identities: Identities
    jwk_sets: Mapping[str, JwkSet]
    limits: BodyLimits
    request_fields: RequestFields
    body_seconds: float
    body_total_seconds: float
    deadlines: Deadlines
    public_url: str
    error_help: ErrorHelp
    config_hash: str
    consumers: Mapping[str, Consumer]
    credentials: Mapping[str, Credential]
    repeat_routes: RepeatRoutes = field(default_factory=dict)
    seal: ValueSeal | None = None
    """Encrypts what replicas share of a recipient; None keeps recipients in this process."""


class Snapshots:
    """Holds the active snapshot; a reload replaces `current`."""

    def __init__(self, current: Snapshot) -> None:
        self.current = current
