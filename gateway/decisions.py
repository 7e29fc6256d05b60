"""Who calls, and what follows from the head: recalled if the connection sent such a head before, or decided.

The order of the decisions themselves is `policy/steps.py`'s.
"""

import time
from collections.abc import Callable
from typing import Final

from gateway.errors import Refusal
from gateway.exchange import UNKNOWN_SDK, Exchange
from gateway.http.request_head import Inbound, require_head
from gateway.http.tunnel import Tunnel
from gateway.http.user_agent import read_sdk
from gateway.identity.authentication import (
    SHOWN_DIGITS,
    Caller,
    UnverifiedCaller,
    authenticate,
)
from gateway.identity.credential_fields import find_digest
from gateway.identity.failure_throttle import FailureThrottle
from gateway.identity.jwt_verifier import TokenVerifier
from gateway.key_usage.former_keys import FormerKeys
from gateway.listener.request import Request
from gateway.policy.deadlines import Client
from gateway.policy.head_decision import HeadDecision
from gateway.policy.snapshot import Snapshot
from gateway.policy.steps import decide_head

USAGE_PATH: Final = "/-/usage"
"""Where consumers read what they used; on every host, so that it is there in tunnels, too."""

_OF_KEYS: Final = frozenset({"unknown_consumer", "expired_key"})


class Decisions:
    """One per handler."""

    def __init__(
        self,
        tokens: TokenVerifier,
        wall_clock: Callable[[], float] = time.time,
        former: FormerKeys | None = None,
    ) -> None:
        """`wall_clock` gives seconds since the epoch."""
        self._tokens = tokens
        self._former = former or FormerKeys()
        self._wall_clock = wall_clock
        self._failures = FailureThrottle()

    def recall(
        self, request: Request, exchange: Exchange, snapshot: Snapshot
    ) -> tuple[HeadDecision, Inbound, Caller] | None:
        """What `decide` would return, if it need not be decided again."""
        known = request.known
        if known is None:
            return None
        decision = known.decision
        caller = decision.caller
        if isinstance(caller, UnverifiedCaller):
            return None
        inbound = decision.recall(snapshot, self._wall_clock(), known.template, request.values)
        if inbound is None:
            return None
        tunnel = request.caller.tunnel
        if tunnel is not None and not tunnel.identified:  # its first head, which was sent in another before
            tunnel.identify()
        decision.mark(exchange)
        return decision, inbound, caller

    async def decide(
        self, request: Request, exchange: Exchange, snapshot: Snapshot
    ) -> tuple[HeadDecision | None, Inbound, Caller]:
        """The decision, the checked head, and who calls. Raises `Refusal`.

        No decision is made about `/-/usage`, which the gateway answers itself.
        """
        known, tunnel = request.known, request.caller.tunnel
        inbound = None
        if known is not None:  # by a JWT, which is verified each time
            inbound = known.decision.recall(snapshot, self._wall_clock(), known.template, request.values)
        recalled = known.decision if known is not None and inbound is not None else None
        if inbound is None:
            inbound = require_head(request.method, request.target, request.version, request.raw_fields)
            if tunnel is not None:
                inbound = tunnel.enter(inbound)
        client = snapshot.deadlines.recognize(inbound)
        exchange.sdk = client.sdk
        exchange.ignored = tuple([each.reason for each in inbound.dropped])
        try:
            if recalled is not None:
                found = recalled.caller
            else:
                found = authenticate(snapshot.identities, inbound, self._wall_clock(), *request.caller.proofs)
            if isinstance(found, UnverifiedCaller):
                caller = await self._tokens.admit(found, snapshot.identities, inbound, self._wall_clock())
            else:
                caller = found
        except Refusal as refusal:
            if refusal.slug in _OF_KEYS:
                self._note_former(exchange, snapshot, inbound, request.caller.proofs[1])
            raise self._failures.check(refusal, request.caller.address, time.monotonic()) from None
        exchange.consumer_key = caller.key
        if caller.consumer.shared:
            client = _label(client, inbound, caller)
            exchange.sdk = client.sdk
        if tunnel is not None:
            tunnel.identify()
        if inbound.path == USAGE_PATH:
            return None, inbound, caller
        if recalled is not None and caller.consumer is recalled.grant.consumer:
            recalled.mark(exchange)
            return recalled, inbound, caller
        grant, plan = decide_head(snapshot, caller.consumer, inbound, exchange)
        decision = HeadDecision(snapshot, inbound, found, request.caller.certificate, client, grant, plan)
        request.remember(decision)
        return decision, inbound, caller

    def _note_former(
        self, exchange: Exchange, snapshot: Snapshot, inbound: Inbound, tunnel: Tunnel | None
    ) -> None:
        """Record whose a refused key was. The answer is made without it: an unknown key's is the same."""
        digest = find_digest(inbound, tunnel)
        entry = snapshot.identities.keys.get(digest)
        former = self._former.find(digest)
        if entry is not None:
            former = entry.consumer.name if self._has_expired(entry.expires) else ""
        if former:
            exchange.former_consumer, exchange.consumer_key = former, digest[:SHOWN_DIGITS]

    def _has_expired(self, expires: float | None) -> bool:
        return expires is not None and self._wall_clock() >= expires


def _label(client: Client, inbound: Inbound, caller: Caller) -> Client:
    """A client that is no known SDK, called by the product that it says it is: the services that share a key
    are told apart by it. A product that holds the key is none."""
    if client.sdk != UNKNOWN_SDK:
        return client
    product = read_sdk(inbound.single_fields.get(b"user-agent", b""))
    if any(secret in product.encode() for secret in caller.secrets):
        return client
    return client._replace(sdk=product)
