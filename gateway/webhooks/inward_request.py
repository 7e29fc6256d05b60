"""The request that a service gets: its own URL, the body as it came, and a signature of its own. Pure.

The service's validator, whichever SDK's it is, takes the route's `sign_with` for the Auth Token: by SHA-1,
over the URL at which the service is called.
"""

from typing import Final, NamedTuple

from multidict import CIMultiDict

from gateway.webhooks.signature import BODY_HASH, Algorithm, hash_body, join_parameters, sign
from gateway.webhooks.webhook_fields import build_inward_fields
from gateway.webhooks.webhook_routes import WebhookRoute
from gateway.webhooks.webhook_verification import ReceivedEvent, Verification

_BODILESS: Final = frozenset({"GET"})


class InwardRequest(NamedTuple):
    """`body` is None for a request without any."""

    method: str
    url: str
    fields: "CIMultiDict[str]"
    body: bytes | None


def build_inward_request(
    route: WebhookRoute, event: ReceivedEvent, verdict: Verification, request_id: str
) -> InwardRequest:
    """Path and query go along byte for byte; a body that no parameters cover gets a `bodySHA256` if it has
    none, which happens in `mode: report` alone."""
    query, tail = event.query, verdict.tail
    if verdict.secret is None:
        tail = join_parameters(verdict.form)[0] if verdict.form else b""
        if event.body and verdict.form is None and BODY_HASH not in query:
            query += (b"&" if query else b"") + BODY_HASH + b"=" + hash_body(event.body)
    url = route.inward_url(event.path) + (f"?{query.decode('ascii')}" if query else "")
    signature = sign(route.sign_key, Algorithm.HMAC_SHA1, url.encode("ascii"), tail)
    fields = build_inward_fields(event.fields, _ignored(event), signature, request_id)
    body = None if event.method in _BODILESS else event.body
    return InwardRequest(event.method, url, CIMultiDict(fields), body)


def _ignored(event: ReceivedEvent) -> frozenset[bytes]:
    """Fields whose values are no ASCII: neither read nor sent on."""
    return frozenset(lower for lower, _, value in event.fields if not value.isascii())
