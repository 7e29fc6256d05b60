"""Twilio accounts and their API keys, compiled so that no representation shows a secret.

A key is kept as the finished `Authorization` value (RFC 7617) and never as its parts.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field


def mask_sid(sid: str) -> str:
    """'SK0011…eeff': enough to tell keys apart, too little to use."""
    return f"{sid[:6]}…{sid[-4:]}" if len(sid) > 12 else "…"


def basic_value(username: str, password: str) -> bytes:
    """The value of an Authorization field for HTTP Basic (RFC 7617 2)."""
    return b"Basic " + base64.b64encode(f"{username}:{password}".encode())


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential for an account. `label` is the masked SID, for logs and metrics."""

    label: str
    authorization: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """An account that requests may be for, with the keys to be tried in order (at least one)."""

    sid: str
    keys: tuple[ApiKey, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """A Twilio account of the configuration, with its subaccounts (by SID; each has its own or our keys).

    `asks`: Twilio is asked about creates with an open outcome; `digest_key` is for what is kept of them.
    `is_looked_at`: looks see what it creates, for it asks, or another credential of its account does.
    """

    name: str
    account: Account
    subaccounts: Mapping[str, Account]
    region: str
    edge: str
    asks: bool = False
    is_looked_at: bool = False
    digest_key: bytes = field(default=b"", repr=False)
    sids: frozenset[str] = field(init=False, repr=False, compare=False)
    """The SIDs of the account and its subaccounts, exact, case and all."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sids", frozenset({self.account.sid, *self.subaccounts}))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The account itself and its subaccounts."""
        return (self.account, *self.subaccounts.values())

    def owns(self, sid: str) -> bool:
        """Whether `sid` is the account or a listed subaccount; exact, case and all."""
        return sid in self.sids

    def account_of(self, sid: str) -> Account:
        """The account whose keys serve `sid` ('' for none named)."""
        return self.subaccounts.get(sid, self.account)
