"""What makes two watched creates the same, and what a look at Twilio needs to know of one. Pure."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

from gateway.http.form_data import Unreadable
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body, BodyFormat
from gateway.policy.body_fields import read_body_fields, read_form
from gateway.policy.body_fingerprint import fingerprint_body
from gateway.policy.comparable_fields import (
    ListFilter,
    Sought,
    SubjectKind,
    digest_address,
    digest_comparable,
    kind_of,
    listed_kind,
    read_sought,
)
from gateway.policy.outbound import Outbound
from gateway.policy.watched_head import WatchedHead
from gateway.redis.value_seal import ValueSeal

_FORM: Final = BodyFormat.FORM
_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs


class RepeatIntent(NamedTuple):
    """What is meant to happen once. `scope` are 64 hex digits, from which nothing can be read back.

    `asks`: Twilio may be asked whether it was done, by what `sought` says. `secret` are 32 bytes that only
    the same request yields. `identities` are the consumer's: a scope knows its name only, so that a repeat
    is found whichever of its keys is used.
    """

    scope: str
    seconds: float
    asks: bool = False
    sought: Sought | None = None
    secret: bytes = b""
    identities: tuple[str, ...] = ()

    def __repr__(self) -> str:  # what is sought holds a recipient
        return f"RepeatIntent({self.scope})"


Meant = tuple[object, ...]
"""A create's purpose, as in `WatchedHead`, and its content: equal for identical requests."""


class WatchedCreate(NamedTuple):
    """A watched request before it needs a name, which nearly none does: a digest costs more than the rest.

    `meant` holds what the request holds, so it must not be kept longer than the request.
    """

    meant: Meant
    seconds: float
    asks: bool = False
    sought: Sought | None = None
    identities: tuple[str, ...] = ()

    def intent(self) -> RepeatIntent:
        """The same under the name by which it is remembered and shared."""
        purpose, content = self.meant
        assert isinstance(purpose, bytes)
        digest = blake2b(b"%b,%b]" % (purpose, orjson.dumps(content))).digest()
        secret = digest[32:]  # the halves say nothing of each other
        scope = digest[:32].hex()
        given = (scope, self.seconds, self.asks, self.sought, secret, self.identities)
        return _new(RepeatIntent, given)

    def __repr__(self) -> str:
        return f"WatchedCreate({self.seconds} s)"


class CreateSubject(NamedTuple):
    """Whose create it is, and what a look at Twilio needs to know of it.

    `to`, `sender` and the `digest_key` are in memory only. Other replicas may read `sealed_to` (both,
    encrypted), `to_digest` and `compared` (digests by that key, of To and of what can be compared with a
    resource of Twilio's). `asks`: Twilio may be asked.
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
    digest_key: bytes = b""

    def __repr__(self) -> str:
        return f"CreateSubject({self.consumer}: {self.route})"


def describe_create(
    grant: Grant, outbound: Outbound, sought: Sought | None = None, seal: ValueSeal | None = None
) -> CreateSubject:
    """The subject of a watched request. Without a `seal` its recipient is not shared with other replicas."""
    credential = outbound.consumer.credential
    account = outbound.account.sid
    consumer, product, route, host = (
        outbound.consumer.name,
        outbound.product,
        grant.route.label,
        outbound.host,
    )
    subject = _new(
        CreateSubject,
        (consumer, credential.name, account, product, route, host, "", "", "", "", "", False, b""),
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
        digest_key=key,
    )


def lookup_of(subject: CreateSubject, seal: ValueSeal | None) -> ListFilter | None:
    """What to ask Twilio about a create; None where this replica cannot know."""
    kind = listed_kind(subject.product, subject.route)
    if kind is None or not subject.asks:
        return None
    if subject.to:
        return ListFilter(kind, subject.to, subject.sender)
    opened = seal.open(subject.sealed_to, subject.account) if seal is not None else None
    if not opened:
        return None
    to, _, sender = opened.partition(" ")
    return ListFilter(kind, to, sender)


def watch_create(
    watched: WatchedHead, inbound: Inbound, grant: Grant, outbound: Outbound, body: Body
) -> WatchedCreate:
    """A request with a head that is watched."""
    fields = body.fields  # of a form, which was read to be judged
    content = _content_of(body, inbound.single_fields) if fields is None else tuple(fields)
    meant = (watched.purpose, content)
    if not watched.asks:
        return _new(WatchedCreate, (meant, watched.seconds, False, None, watched.identities))
    sought = find_sought(kind_of(outbound.product, grant.route.template), outbound, body)
    return _new(WatchedCreate, (meant, watched.seconds, sought is not None, sought, watched.identities))


def _content_of(body: Body, fields: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...] | str:
    """What a body asks for: the fields of a form, else a fingerprint."""
    if body.shape is _FORM:
        try:
            return tuple(read_form(body))
        except Unreadable:
            pass  # its fingerprint is made of its bytes
    content_type = body.content_type
    return fingerprint_body(body, fields.get(b"content-type", b"") if content_type is None else content_type)


def find_sought(kind: SubjectKind | None, outbound: Outbound, body: Body) -> Sought | None:
    """What Twilio can be asked about a create of this kind, where it can be."""
    if kind is None or "?" in outbound.target:
        return None
    try:
        return read_sought(kind, read_body_fields(body).fields)
    except Unreadable:
        return None
