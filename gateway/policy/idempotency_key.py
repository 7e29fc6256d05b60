"""What an `Idempotency-Key` on a request claims: that one deed is done once (ADR 6). Pure.

What follows from the record of an earlier claim is `idempotency/`.
"""

import hashlib
import re
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.outbound import Outbound

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


class Claim(NamedTuple):
    """What a keyed POST asks to be done once. Both texts are hex SHA-256; nothing can be read back from them.

    `conceals` says that the answer holds a secret and must not be kept.
    """

    scope: str
    fingerprint: str
    conceals: bool = False


def require_claim(inbound: Inbound, grant: Grant, outbound: Outbound, body: Body) -> Claim | None:
    """The claim of a POST with a key, None without one. Raises `Refusal` (400).

    A body that is streamed cannot be compared with the next one. Nobody who sends a key wants it ignored, so
    that is refused, except where Twilio itself takes the key.
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
            "Uploads are streamed and cannot be recognised when they come again: send no Idempotency-Key.",
        )
    content_type = body.content_type
    if content_type is None:
        content_type = inbound.single_fields.get(b"content-type", b"")
    scope = _digest(
        grant.consumer.name.encode(),
        outbound.account.sid.encode(),
        outbound.effective.encode(),
        outbound.host.encode(),
        outbound.target.encode(),
        key.encode(),
    )
    return Claim(scope, _digest(content_type, body.data), grant.conceals)


def read_key(value: str) -> str:
    """The key in a field value: plain, or a quoted string (RFC 9651 3.3.3, as the IETF draft has it).

    Both forms of one text are one key: a client that changes its library must not send twice.
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


def _digest(*parts: bytes) -> str:
    """SHA-256 over the parts, each with its length, so that no two lists of parts read alike."""
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()
