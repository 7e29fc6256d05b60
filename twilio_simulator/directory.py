"""Authentication: checks Basic credentials, and which accounts they open.

Accounts and keys can be added and revoked while the simulator runs, which is how tests rotate a key.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hmac import compare_digest

from twilio_simulator.simulated_accounts import KeyKind, SimulatedAccount, SimulatedKey
from twilio_simulator.simulated_errors import TwilioError, authenticate


@dataclass(frozen=True, slots=True)
class SimulatedCaller:
    """An authenticated caller: the account, and the key if it used one (None: the Auth Token)."""

    account: SimulatedAccount
    key: SimulatedKey | None


class Directory:
    """The open accounts and working keys."""

    def __init__(self) -> None:
        self._accounts: dict[str, SimulatedAccount] = {}
        self._keys: dict[str, tuple[str, SimulatedKey]] = {}

    def clear(self) -> None:
        """Close every account."""
        self._accounts.clear()
        self._keys.clear()

    @property
    def accounts(self) -> tuple[SimulatedAccount, ...]:
        """Every account, in the order they were added."""
        return tuple(self._accounts.values())

    def add(self, account: SimulatedAccount) -> None:
        """Open an account, with its keys."""
        self._accounts[account.sid] = account
        for key in account.keys:
            self.add_key(account.sid, key)

    def add_key(self, account_sid: str, key: SimulatedKey) -> None:
        """Make a key work for an account."""
        self._keys[key.sid] = (account_sid, key)

    def revoke_key(self, sid: str) -> None:
        """Make a key stop working; an unknown one is no error."""
        self._keys.pop(sid, None)

    def authenticate(self, authorization: str | None) -> SimulatedCaller:
        """The caller behind a Basic `Authorization` value, or 401/20003."""
        username, password = _read_basic(authorization)
        held = self._keys.get(username)
        if held is not None:
            caller, secret = SimulatedCaller(self._accounts[held[0]], held[1]), held[1].secret
        elif username in self._accounts:
            account = self._accounts[username]
            caller, secret = SimulatedCaller(account, None), account.auth_token
        else:
            raise authenticate()
        if not compare_digest(secret.encode(), password.encode()):
            raise authenticate()
        return caller

    def require_account(self, caller: SimulatedCaller, account_sid: str | None) -> None:
        """401/20003 unless the path's account is the caller's own or its subaccount's.

        The 2010 API answers so for another's account, although the credentials are right.
        """
        if account_sid is None or account_sid == caller.account.sid:
            return
        account = self._accounts.get(account_sid)
        if account is None or account.parent != caller.account.sid:
            raise authenticate()


def require_permission(caller: SimulatedCaller, permission: str, *, guarded: bool) -> None:
    """Refuse what the key's kind may not do: 401/20003 for Standard keys, 403/70051 for restricted ones.

    `guarded` resources (accounts and keys) refuse every key but a Main one.
    """
    key = caller.key
    if key is None or key.kind is KeyKind.MAIN:
        return
    if key.kind is KeyKind.STANDARD:
        if guarded:
            raise authenticate()
        return
    if guarded or not key.permits(permission):
        raise TwilioError(403, 70051, f"The API key lacks the permission {permission}")


def _read_basic(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise authenticate()
    try:
        username, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise authenticate() from error
    if not colon:
        raise authenticate()
    return username, password
