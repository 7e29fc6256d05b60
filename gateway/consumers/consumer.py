"""A consumer: an internal service, with everything that the configuration says about it. Pure values.

`identity/` recognises it; `policy/` decides what its rules allow.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from gateway.consumers.allow_rules import RuleSet
from gateway.consumers.credentials import Credential
from gateway.consumers.form_rules import FormRules
from gateway.consumers.rate_limit_rules import NO_LIMITS, LimitSet


class Mode(StrEnum):
    """Whether policy refuses, or only reports what it would have refused."""

    ENFORCE = "enforce"
    REPORT = "report"


class Emit(StrEnum):
    """How PUT and DELETE go upstream: as they are, or as POST with `_method` (docs/design.md 4.3)."""

    NATIVE = "native"
    POST = "post"


class Priority(IntEnum):
    """A consumer's class in the queue for Twilio; a lower number goes first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Consumer:
    """An internal service, compiled. `usernames` holds its name and the further Basic user names.

    `identities` are digests of the ways to identify it (`derive_identities`). `shared`: several services call
    with its keys; it only decides what is counted, never what is allowed.
    """

    name: str
    usernames: frozenset[str]
    credential: Credential
    rules: RuleSet
    forms: FormRules | None = None
    mode: Mode = Mode.ENFORCE
    emit: Emit = Emit.NATIVE
    legacy: bool = False
    convert: bool = False
    priority: Priority = Priority.NORMAL
    limits: LimitSet = NO_LIMITS
    identities: tuple[str, ...] = ()
    shared: bool = False


def derive_identities(evidence: Iterable[str]) -> tuple[str, ...]:
    """A short digest of each way to identify a consumer: a key's digest, a certificate's name, JWT claims.

    State that outlives a reload (records of idempotency, limits) is bound to these and not to the name alone:
    a consumer that shares none of them with another is a different one, even under the same name.
    """
    return tuple(hashlib.blake2b(each.encode(), digest_size=8).hexdigest() for each in evidence)


def are_different(identities: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two consumers of one name share no identity. Where one has none, nothing is known of it."""
    return bool(identities and others) and frozenset(identities).isdisjoint(others)
