"""What is checked again when a request's turn to be sent has come: is its consumer known, and not stopped?

What it may do was decided when it came, and is not decided again.
"""

import time

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.http.tunnel import Tunnel
from gateway.identity.authentication import UnverifiedCaller, authenticate
from gateway.identity.client_certificates import PeerCertificate
from gateway.identity.jwt_claims import find_claimed_consumer
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.snapshot import Snapshot, Snapshots
from gateway.rate_limits.destinations import find_destinations
from gateway.stops.stop_table import StopTable


class TurnCheck:
    """One per process, on the data loop."""

    def __init__(self, snapshots: Snapshots, stops: StopTable) -> None:
        self._snapshots = snapshots
        self._stops = stops

    def require_started(self, grant: Grant, body: Body) -> None:
        """Raises `Refusal` (stopped)."""
        if self._stops.stops:
            call = grant.call
            self._stops.require_started(
                grant.consumer.name,
                lambda: find_destinations(call.method, grant.query, body, grant.route),
            )

    def require_known(
        self,
        before: Snapshot,
        inbound: Inbound,
        proofs: tuple[PeerCertificate | None, Tunnel | None],
        grant: Grant,
        body: Body,
    ) -> None:
        """Refuse a request whose consumer, key or claims a reload removed since it was judged by `before`, or
        that was stopped. Raises `Refusal`."""
        self.require_started(grant, body)
        current, name = self._snapshots.current, grant.consumer.name
        if current is before:
            return
        now = time.time()
        found = authenticate(current.identities, inbound, now, *proofs)
        if isinstance(found, UnverifiedCaller) and found.decided is not None:
            found = found.decided
        if isinstance(found, UnverifiedCaller):
            consumer = find_claimed_consumer(found.token, current.identities.issuers, now)
        else:
            consumer = found.consumer
        if name not in current.consumers or consumer.name != name:
            raise Refusal("unknown_consumer", "The consumer was removed while its request waited.")
