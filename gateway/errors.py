"""Every error that the gateway itself answers with, as one tree and one table.

    GatewayError
    ├── Refusal            the gateway refuses; nothing was sent to Twilio
    └── UpstreamFailure    Twilio failed; `phase` says how far the attempt had come

`KINDS` is the single list of slugs: status, Twilio code and meaning. Callers, logs and metrics know an error
by its slug, which never changes its meaning. No message may hold a secret, a header value or a body byte of
the request (docs/design.md 4.9).
"""

from enum import StrEnum
from typing import NamedTuple


class ErrorKind(NamedTuple):
    """What a slug stands for: the HTTP status, the Twilio error code, and a sentence for the documents."""

    status: int
    code: int
    meaning: str


# Codes are Twilio's own where it has one for the case (docs/facts.md), so that SDKs treat ours alike.
KINDS: dict[str, ErrorKind] = {
    "malformed_request": ErrorKind(
        400, 20001, "the bytes are not an HTTP/1 request that this gateway accepts"
    ),
    "bad_target": ErrorKind(
        400, 20001, "the request target is not canonical (dot segments, //, odd escapes …)"
    ),
    "bad_header": ErrorKind(
        400, 20001, "a header field is repeated, misspelt or holds bytes that are refused"
    ),
    "bad_host": ErrorKind(400, 20001, "the Host field is missing or is not a host name"),
    "unexpected_body": ErrorKind(
        400, 20001, "a GET or HEAD came with a body of more than 64 KiB, or CONNECT with any"
    ),
    "tunnel_in_tunnel": ErrorKind(400, 20001, "CONNECT inside a tunnel"),
    "incomplete_body": ErrorKind(400, 20001, "the body ended early or its chunks are malformed"),
    "bad_body": ErrorKind(
        400, 20001, "the body cannot be read as its Content-Type says, or cannot be converted"
    ),
    "method_override": ErrorKind(400, 20001, "a method override that is ambiguous or not permitted"),
    "idempotency_unsupported": ErrorKind(400, 20001, "an Idempotency-Key on a body that is streamed"),
    "missing_key": ErrorKind(401, 20003, "the request carries no consumer key"),
    "unknown_consumer": ErrorKind(
        401, 20003, "the key, user name, certificate or JWT does not belong to a consumer"
    ),
    "two_identities": ErrorKind(
        401, 20003, "CONNECT and the request inside its tunnel carry keys of two consumers"
    ),
    "expired_key": ErrorKind(401, 20003, "the consumer key is past its `expires`"),
    "expired_certificate": ErrorKind(
        401, 20003, "the client certificate expired while its connection was open"
    ),
    "invalid_token": ErrorKind(401, 20003, "the JWT is not from a trusted issuer, or not for this gateway"),
    "expired_token": ErrorKind(401, 20003, "the JWT is past its `exp`"),
    "not_allowed": ErrorKind(403, 20403, "no `allow` rule of the consumer covers this method and path"),
    "management_endpoint": ErrorKind(
        403, 20403, "accounts, keys and tokens need a rule that names them exactly"
    ),
    "foreign_account": ErrorKind(403, 20403, "an AccountSid that the consumer's credential does not own"),
    "stopped": ErrorKind(403, 20403, "an operator has stopped this consumer or destination; ask the contact"),
    "tunnel_refused": ErrorKind(403, 20403, "CONNECT to a host or port that this gateway does not serve"),
    "wrong_region": ErrorKind(403, 20403, "the host names a region that the credential is not for"),
    "form_rule": ErrorKind(
        403, 20403, "a `form` rule of the consumer refuses a sender, recipient or callback"
    ),
    "unknown_address": ErrorKind(404, 20404, "neither host nor path says which Twilio product is meant"),
    "method_not_allowed": ErrorKind(405, 20004, "a method other than GET HEAD POST PUT PATCH DELETE"),
    "head_timeout": ErrorKind(408, 20001, "the request's head did not arrive in time"),
    "body_timeout": ErrorKind(408, 20001, "the body did not arrive in time"),
    "slow_reader": ErrorKind(
        408, 20001, "the caller did not read its answer and was disconnected; seen in records only"
    ),
    "idempotency_in_flight": ErrorKind(409, 20409, "the first request with this key has no answer yet"),
    "idempotency_not_kept": ErrorKind(
        409, 20409, "processed before; the response was too large, or held secrets, and was not stored"
    ),
    "repeat_in_flight": ErrorKind(409, 20409, "the same request is on its way; nothing was sent again"),
    "repeat_not_kept": ErrorKind(409, 20409, "the same request was done; its answer was too large to keep"),
    "body_too_large": ErrorKind(413, 20413, "the body is longer than the limit"),
    "content_type": ErrorKind(415, 20001, "the route does not take this Content-Type or Content-Encoding"),
    "expectation": ErrorKind(417, 20001, "an Expect other than 100-continue"),
    "misdirected_request": ErrorKind(
        421, 20404, "Host or SNI inside a tunnel is another name than that of CONNECT"
    ),
    "idempotency_conflict": ErrorKind(422, 20422, "this Idempotency-Key was used before with another body"),
    "header_too_large": ErrorKind(
        431, 20001, "the request line or a header field is too long, or there are too many"
    ),
    "rate_limited": ErrorKind(
        429, 20429, "a rate limit of the gateway is exceeded; Retry-After says when to retry"
    ),
    "too_many_failures": ErrorKind(
        429, 20429, "too many wrong keys came from this address; Retry-After says when to retry"
    ),
    "too_many_streams": ErrorKind(
        429,
        20429,
        "too many answers are being streamed to this consumer; read them, or ask for fewer",
    ),
    "queue_full": ErrorKind(429, 20429, "too many requests wait for Twilio; Retry-After says when to retry"),
    "queue_timeout": ErrorKind(429, 20429, "no slot became free before the deadline"),
    "internal_error": ErrorKind(
        500, 20500, "a fault in the gateway; the log line with this request id says more"
    ),
    "connect_unsupported": ErrorKind(501, 20500, "CONNECT, while no `ca` is configured"),
    "upgrade_unsupported": ErrorKind(501, 20500, "no longer answered: an upgrade that is offered is ignored"),
    "emit_unsupported": ErrorKind(501, 20500, "`emit: post` works on the `api` product only"),
    "upstream_unreachable": ErrorKind(502, 20500, "no connection to Twilio; nothing was sent"),
    "upstream_lost": ErrorKind(502, 20500, "the connection to Twilio broke before an answer"),
    "upstream_unreadable": ErrorKind(502, 20500, "Twilio's answer is not valid HTTP or broke off"),
    "upstream_absent": ErrorKind(
        502, 20500, "the answer was lost, and Twilio has no trace of the request: it was not done"
    ),
    "answer_too_large": ErrorKind(
        502, 20500, "the answer holds links or tokens to be replaced, and is too large for that"
    ),
    "idempotency_unknown": ErrorKind(
        502, 20500, "the first request with this key has an unknown outcome; not sent again"
    ),
    "repeat_unknown": ErrorKind(502, 20500, "sent moments ago, outcome unknown; not sent again"),
    "too_many_connections": ErrorKind(
        503, 20503, "too many connections are open, in total or from this address"
    ),
    "buffers_full": ErrorKind(
        503, 20503, "too many bytes of bodies are held for all callers together; try again shortly"
    ),
    "draining": ErrorKind(503, 20503, "this replica is shutting down; try another"),
    "idempotency_full": ErrorKind(
        503, 20503, "the idempotency table is full of records that must not be dropped"
    ),
    "repeat_guard_full": ErrorKind(503, 20503, "no create can be remembered, and none may be forgotten"),
    "issuer_unavailable": ErrorKind(503, 20503, "the keys to verify the JWT with could not be fetched"),
    "store_unavailable": ErrorKind(
        503, 20503, "the shared store is unavailable, and `on_store_failure` is `refuse`"
    ),
    "loop_detected": ErrorKind(508, 20500, "the request came from this deployment itself"),
    "upstream_timeout": ErrorKind(504, 20500, "Twilio did not answer inside the deadline"),
}


class GatewayError(Exception):
    """An error answered by the gateway. `slug` is a key of `KINDS`; `detail` says what the caller can do."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail
        kind = KINDS[slug]
        self.status = kind.status
        self.code = kind.code

    closes = False
    """Whether the connection ends with the answer, because the rest of what was sent cannot be trusted."""


class Refusal(GatewayError):
    """The gateway refuses the request. `headers` are added to the answer where a standard asks for them.

    `rule` and `limit` are the configuration's names of what refuses, for the record; '' if it has none.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        closes: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
        rule: str = "",
        limit: str = "",
    ) -> None:
        super().__init__(slug, detail)
        self.closes = closes
        self.headers = headers
        self.rule = rule
        self.limit = limit


class FailurePhase(StrEnum):
    """How far an attempt had come when it failed; decides what may be retried (docs/design.md 4.7)."""

    CONNECT = "connect"  # no byte was sent
    SENT = "sent"  # bytes were sent, no answer's head came
    RESPONSE = "response"  # the head came, the rest did not, or was not HTTP


class UpstreamFailure(GatewayError):
    """The attempt failed in `phase`. `unknown` marks an outcome that cannot be known.

    `reason` says why no connection could be made, '' for other failures: one of a fixed list
    (`upstream/upstream_failures.REASONS`).
    """

    def __init__(self, slug: str, phase: FailurePhase, detail: str) -> None:
        super().__init__(slug, detail)
        self.phase = phase
        self.reason = ""
        self.unknown = False

    def with_outcome(self, *, replayable: bool) -> "UpstreamFailure":
        """Mark the outcome as unknown if bytes were sent of what must not be repeated. Returns self."""
        self.unknown = self.phase is not FailurePhase.CONNECT and not replayable
        return self
