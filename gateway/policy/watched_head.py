"""Which requests the repeat guard watches, as far as their heads tell. Pure.

Watched is a POST that makes something happen in the world and says nothing of repeats itself: no
Idempotency-Key, which says that another key is another intention, and no `Gateway-Repeat: allow`, which says
that a second one is meant.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant

RepeatRoutes = Mapping[tuple[str, str], float]
"""(product, path template) of a watched route -> seconds for which an open outcome is kept."""

_FIELD: Final = b"gateway-repeat"


class WatchedHead:
    """What the creates of one head have in common, made once for all that a connection sends with it.

    `purpose` is the beginning of a JSON array: consumer, account, method, host, target. An open outcome is
    kept for `seconds`. `asks`: the credential allows that Twilio is asked. `identities` are the consumer's:
    another one of its name shares none of them.
    """

    __slots__ = ("asks", "identities", "purpose", "seconds")

    def __init__(self, purpose: bytes, seconds: float, asks: bool, identities: tuple[str, ...] = ()) -> None:
        self.purpose = purpose
        self.seconds = seconds
        self.asks = asks
        self.identities = identities


def watch_head(routes: RepeatRoutes, inbound: Inbound, grant: Grant, target: str) -> WatchedHead | None:
    """None for a head that is not watched; `target` is the one that is sent.

    Raises `Refusal` (400) for an odd Gateway-Repeat.
    """
    fields = inbound.single_fields
    if _FIELD in fields:
        if fields[_FIELD].strip().lower() != b"allow":
            raise Refusal("bad_header", "Gateway-Repeat takes one value: allow.")
        return None
    route, consumer, method = grant.route, grant.consumer, grant.call.method
    seconds = routes.get((route.product, route.template), 0.0)
    if seconds <= 0 or method != "POST" or b"idempotency-key" in fields:
        return None
    purpose = orjson.dumps((consumer.name, grant.account.sid, method, grant.host, target))
    return WatchedHead(purpose[:-1], seconds, consumer.credential.asks, consumer.identities)
