"""Which requests the repeat guard watches, and what makes two of them the same. Pure.

Watched is a POST that makes something happen in the world and says nothing of repeats itself: no
Idempotency-Key, which says that another key is another intention, and no `Gateway-Repeat: allow`, which says
that a second one is meant.
"""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.body_fingerprint import fingerprint_body
from gateway.policy.outbound import Outbound

RepeatRoutes = Mapping[tuple[str, str], float]
"""(product, path template) of a watched route -> seconds for which an open outcome is kept."""

_FIELD = b"gateway-repeat"


class RepeatIntent(NamedTuple):
    """What is meant to happen once. `scope` is a hex SHA-256, from which nothing can be read back."""

    scope: str
    seconds: float


def require_intent(
    routes: RepeatRoutes, inbound: Inbound, grant: Grant, outbound: Outbound, body: Body
) -> RepeatIntent | None:
    """The intent of a watched request, else None. Raises `Refusal` (400) for an odd Gateway-Repeat."""
    fields = inbound.single_fields
    allows = _FIELD in fields
    if allows and fields[_FIELD].strip().lower() != b"allow":
        raise Refusal("bad_header", "Gateway-Repeat takes one value: allow.")
    if not routes or outbound.effective != "POST" or outbound.streams:
        return None
    seconds = routes.get((grant.route.product, grant.route.template), 0.0)
    if seconds <= 0 or allows or b"idempotency-key" in fields:
        return None
    content_type = body.content_type
    if content_type is None:
        content_type = fields.get(b"content-type", b"")
    scope = "\n".join(
        (
            outbound.consumer.name,
            outbound.account.sid,
            outbound.effective,
            outbound.host,
            outbound.target,
            fingerprint_body(body, content_type),
        )
    )
    return RepeatIntent(hashlib.sha256(scope.encode()).hexdigest(), seconds)
