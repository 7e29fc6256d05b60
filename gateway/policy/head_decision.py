"""What was decided by a head, kept for the next ones of its connection that differ in individual values.

Kept are decisions that let a request pass, never a refusal. They hold for one configuration, up to the moment
at which a key or a certificate expires, and for a body of the same kind within the same bound. Whatever
depends on an individual value is decided again, from an `Inbound` that has it (ADR 20).
"""

from gateway.exchange import Exchange
from gateway.http.head_template import INDIVIDUAL_FIELDS, HeadTemplate
from gateway.http.request_head import Inbound, replace_values
from gateway.identity.authentication import Caller, UnverifiedCaller
from gateway.identity.client_certificates import PeerCertificate
from gateway.identity.request_id import CREDENTIAL_FIELDS, read_secrets
from gateway.policy.authorization import Grant, name_rule
from gateway.policy.bodies import BodyPlan
from gateway.policy.deadlines import Client
from gateway.policy.outbound import OutboundHead
from gateway.policy.snapshot import Snapshot


class HeadDecision:
    """`caller` is as `authenticate` gave it: a JWT is verified for each request.

    `outbound` is the head that is sent, once it was built, if no individual value is part of it. `secrets`
    are those of the caller's credentials (`identity/request_id.py`).
    """

    __slots__ = (
        "_account", "_consumer", "_consumer_key", "_credential", "_label", "_method", "_product", "_reported",
        "_resource_sid", "_rule", "_sdk", "caller", "client", "grant", "ignored", "inbound", "outbound",
        "plan", "secrets", "snapshot", "valid_until",
    )  # fmt: skip

    def __init__(
        self,
        snapshot: Snapshot,
        inbound: Inbound,
        caller: Caller | UnverifiedCaller,
        certificate: PeerCertificate | None,
        client: Client,
        grant: Grant,
        plan: BodyPlan,
    ) -> None:
        """`certificate` is the one of the connection."""
        self.snapshot = snapshot
        self.inbound = inbound
        self.caller = caller
        shown = caller if isinstance(caller, Caller) else caller.decided
        self.valid_until = float("inf") if shown is None else shown.expires
        """In seconds since the epoch."""
        if certificate is not None:
            self.valid_until = min(self.valid_until, certificate.expires)
        self.client = client
        self.grant = grant
        self.plan = plan
        self.ignored: tuple[str, ...] = tuple([each.reason for each in inbound.dropped])
        self.outbound: OutboundHead | None = None
        self._sdk = client.sdk  # as `mark` needs them: a look-up in a tuple's class each is more
        self._consumer, self._credential = grant.consumer.name, grant.consumer.credential.name
        self._method, self._product = grant.call.method, grant.call.address.product
        self._consumer_key = "" if shown is None else shown.key
        self._resource_sid, self._rule = grant.resource_sid, name_rule(grant)
        self._label, self._account, self._reported = grant.route.label, grant.account.sid, grant.reported
        fields = inbound.single_fields
        self.secrets = read_secrets([fields[name] for name in CREDENTIAL_FIELDS if name in fields])

    def recall(
        self, snapshot: Snapshot, now: float, template: HeadTemplate, values: list[bytes]
    ) -> Inbound | None:
        """The checked head with these values in it; None if it must be judged from the start."""
        if snapshot is not self.snapshot or now >= self.valid_until:
            return None
        at = template.length_at
        if at >= 0:
            before, length = self.inbound.content_length, int(values[at])
            if length != before and (not length or not before or length > self.plan.limit):
                return None
        return replace_values(self.inbound, template.names, template.positions, values)

    def mark(self, exchange: Exchange) -> None:
        """Record what is recorded while a head is judged."""
        exchange.sdk = self._sdk
        exchange.ignored = self.ignored
        exchange.consumer = self._consumer
        exchange.consumer_key = self._consumer_key
        exchange.resource_sid = self._resource_sid
        exchange.rule = self._rule
        exchange.method = self._method
        exchange.product = self._product
        exchange.label = self._label
        exchange.account = self._account
        exchange.reported = self._reported
        exchange.credential = self._credential

    def keep(self, head: OutboundHead, allowed: frozenset[bytes] | None) -> None:
        """Keep the head that is sent, unless individual values may be part of it (`build_outbound_head`)."""
        relayed = allowed is None or not allowed.isdisjoint(INDIVIDUAL_FIELDS)
        keyed = self.grant.route.idempotency_key and b"idempotency-key" in self.inbound.single_fields
        if not relayed and not keyed:
            self.outbound = head
