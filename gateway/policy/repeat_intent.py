"""Which requests the repeat guard watches, and what makes two of them the same. Pure.

Watched is a POST that makes something happen in the world and says nothing of repeats itself: no
Idempotency-Key, which says that another key is another intention, and no `Gateway-Repeat: allow`, which says
that a second one is meant.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

from gateway.errors import Refusal
from gateway.http.form_data import Fields, Unreadable
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body, BodyFormat
from gateway.policy.body_fields import read_body_fields, read_form
from gateway.policy.body_fingerprint import fingerprint_body
from gateway.policy.comparable_fields import (
    ListFilter,
    Sought,
    digest_address,
    digest_comparable,
    kind_of,
    read_sought,
)
from gateway.policy.outbound import Outbound
from gateway.redis.value_seal import ValueSeal

RepeatRoutes = Mapping[tuple[str, str], float]
"""(product, path template) of a watched route -> seconds for which an open outcome is kept."""

_FIELD: Final = b"gateway-repeat"
_FORM: Final = BodyFormat.FORM


class RepeatIntent(NamedTuple):
    """What is meant to happen once. `scope` are 64 hex digits, from which nothing can be read back.

    `asks`: Twilio may be asked whether it was done, by what `sought` says. `secret` are 32 bytes that only
    the same request yields.
    """

    scope: str
    seconds: float
    asks: bool = False
    sought: Sought | None = None
    secret: bytes = b""

    def __repr__(self) -> str:  # what is sought holds a recipient
        return f"RepeatIntent({self.scope})"


_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs


class CreateSubject(NamedTuple):
    """Whose create it is, and what a look at Twilio needs to know of it.

    `to` and `sender` are in memory only. Other replicas may read `sealed_to` (both, encrypted), `to_digest`
    and `compared` (keyed digests, of To and of what can be compared with a resource of Twilio's). `asks`:
    Twilio may be asked.
    """

    consumer: str
    credential: str
    account: str
    product: str
    route: str
    host: str = ""
    to: str = ""
    sender: str = ""
    sealed_to: str = ""
    to_digest: str = ""
    compared: str = ""
    asks: bool = False

    def __repr__(self) -> str:
        return f"CreateSubject({self.consumer}: {self.route})"


def describe_create(
    grant: Grant, outbound: Outbound, sought: Sought | None = None, seal: ValueSeal | None = None
) -> CreateSubject:
    """The subject of a watched request. Without a `seal` its recipient is not shared with other replicas."""
    credential = outbound.consumer.credential
    account = outbound.account.sid
    subject = CreateSubject(
        outbound.consumer.name,
        credential.name,
        account,
        outbound.product,
        grant.route.label,
        outbound.host,
    )
    if sought is None:
        return subject
    lookup, key = sought.lookup, credential.digest_key
    return subject._replace(
        to=lookup.to,
        sender=lookup.sender,
        sealed_to="" if seal is None else seal.seal(f"{lookup.to} {lookup.sender}", account),
        to_digest=digest_address(account, lookup.to, key),
        compared=digest_comparable(sought.comparable, key),
        asks=True,
    )


def lookup_of(subject: CreateSubject, seal: ValueSeal | None) -> ListFilter | None:
    """What to ask Twilio about a create; None where this replica cannot know."""
    kind = kind_of(subject.product, subject.route)
    if kind is None or not subject.asks:
        return None
    if subject.to:
        return ListFilter(kind, subject.to, subject.sender)
    opened = seal.open(subject.sealed_to, subject.account) if seal is not None else None
    if not opened:
        return None
    to, _, sender = opened.partition(" ")
    return ListFilter(kind, to, sender)


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
    scope = orjson.dumps(
        (
            outbound.consumer.name,
            outbound.account.sid,
            outbound.effective,
            outbound.host,
            outbound.target,
            _content_of(body, fields),
        )
    )
    digest = blake2b(scope).digest()  # its halves say nothing of each other
    sought = _find_sought(grant, outbound, body) if outbound.consumer.credential.asks else None
    return _new(RepeatIntent, (digest[:32].hex(), seconds, sought is not None, sought, digest[32:]))


def _content_of(body: Body, fields: Mapping[bytes, bytes]) -> Fields | str:
    """What a body asks for: the fields of a form, which were read to be judged, else a fingerprint."""
    if body.shape is _FORM:
        try:
            return read_form(body)
        except Unreadable:
            pass  # its fingerprint is made of its bytes
    content_type = body.content_type
    return fingerprint_body(body, fields.get(b"content-type", b"") if content_type is None else content_type)


def _find_sought(grant: Grant, outbound: Outbound, body: Body) -> Sought | None:
    """What Twilio can be asked about a create, where it can be."""
    kind = kind_of(outbound.product, grant.route.template)
    if kind is None or "?" in outbound.target:
        return None
    try:
        return read_sought(kind, read_body_fields(body).fields)
    except Unreadable:
        return None
