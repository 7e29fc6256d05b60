"""The claim of an `Idempotency-Key`: that one request is carried out once (ADR 6). Pure.

What follows from the record of an earlier claim is in `idempotency/`.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.body_fingerprint import digest_parts, fingerprint_body, fingerprint_bytes
from gateway.policy.outbound import Outbound

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


class Claim(NamedTuple):
    """What a keyed POST asks to be carried out once. All texts are digests; none can be read back.

    `fingerprint_v1` is the fingerprint as the previous version makes it: its records hold that one only.
    `identities` are the consumer's. `conceals` says that the answer contains a secret and must not be kept.
    """

    scope: str
    fingerprint: str
    conceals: bool = False
    fingerprint_v1: str = ""
    identities: tuple[str, ...] = ()


def require_claim(inbound: Inbound, grant: Grant, outbound: Outbound, body: Body) -> Claim | None:
    """The claim of a POST with a key, None without one. Raises `Refusal` (400).

    A streamed body cannot be compared with that of a repeat. Ignoring the key would defeat its purpose, so
    the request is refused, unless Twilio itself honours the key.
    """
    raw = inbound.single_fields.get(b"idempotency-key")
    if raw is None or outbound.effective != "POST":
        return None
    key = read_key(raw.decode("ascii"))
    if outbound.streams:
        if grant.route.idempotency_key:
            return None
        raise Refusal(
            "idempotency_unsupported",
            "Uploads are streamed and cannot be compared with a repeat: do not send an Idempotency-Key.",
        )
    content_type = body.content_type
    if content_type is None:
        content_type = inbound.single_fields.get(b"content-type", b"")
    scope = digest_parts(
        grant.consumer.name.encode(),
        outbound.account.sid.encode(),
        outbound.effective.encode(),
        outbound.host.encode(),
        outbound.target.encode(),
        key.encode(),
    )
    return Claim(
        scope,
        fingerprint_body(body, content_type),
        grant.conceals,
        fingerprint_bytes(body, content_type),
        grant.consumer.identities,
    )


def read_key(value: str) -> str:
    """The key in a field value: plain, or a quoted string (RFC 9651 3.3.3, as in the IETF draft).

    Both forms of one text are the same key: a client that changes its library must not send twice.
    Raises `Refusal` (400).
    """
    key = value.strip(" \t")
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if not _KEY.fullmatch(key):
        raise Refusal(
            "bad_header",
            "Idempotency-Key is 1 to 255 visible ASCII characters without spaces, in double quotes or not.",
        )
    return key
