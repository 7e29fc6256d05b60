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
    """What is meant to happen once. `scope` is a hex SHA-256, from which nothing can be read back.

    `asks`: Twilio may be asked whether it was done.
    """

    scope: str
    seconds: float
    asks: bool = False


class CreateSubject(NamedTuple):
    """Whose create it is, and what a look at Twilio needs to know of it.

    `to` is in memory only. Other replicas may read `sealed_to` (encrypted), `to_digest` and `compared` (keyed
    digests, of To and of what can be compared with a resource of Twilio's). `asks`: Twilio may be asked.
    """

    consumer: str
    credential: str
    account: str
    product: str
    route: str
    host: str = ""
    to: str = ""
    sealed_to: str = ""
    to_digest: str = ""
    compared: str = ""
    asks: bool = False

    def __repr__(self) -> str:
        return f"CreateSubject({self.consumer}: {self.route})"


def describe_create(grant: Grant, outbound: Outbound) -> CreateSubject:
    """The subject of a watched request."""
    return CreateSubject(
        outbound.consumer.name,
        outbound.consumer.credential.name,
        outbound.account.sid,
        outbound.product,
        grant.route.label,
        outbound.host,
    )


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
