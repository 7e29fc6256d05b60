"""A Twilio account and its subaccounts, compiled: the `Authorization` values of their keys."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.config.loading.resolved import ResolvedAccount, ResolvedCredential, ResolvedKey, ResolvedSettings
from gateway.config.schema.secret_values import Secret
from gateway.consumers.credentials import Account, ApiKey, Credential, basic_value, mask_sid
from gateway.http.header_fields import VIA_NAME
from gateway.redis.value_seal import ValueSeal, read_key

_DIGESTS: Final = b"twilio-gateway: digests of what is asked about"


def make_seal(store_key: Secret | None) -> ValueSeal | None:
    """The seal that `store_key` makes; None without the key, or without the package that it needs."""
    if store_key is None:
        return None
    try:
        return ValueSeal(read_key(store_key.reveal()))
    except ImportError:
        return None  # `app/requirements.py` refuses the configuration


def compile_credentials(
    resolved: Mapping[str, ResolvedCredential], seal: ValueSeal | None = None
) -> dict[str, Credential]:
    """All credentials by name. Two may be of one account, whose lists show what both create: they share a
    digest key, by which other replicas find all creates to one recipient."""
    compiled = {name: compile_credential(each, seal) for name, each in resolved.items()}
    asked = frozenset(sid for each in compiled.values() if each.asks for sid in each.sids)
    keys = _share_digest_keys(list(compiled.values()))
    return {
        name: replace(
            each, is_looked_at=not asked.isdisjoint(each.sids), digest_key=keys.get(each.account.sid, b"")
        )
        for name, each in compiled.items()
    }


def _share_digest_keys(credentials: Sequence[Credential]) -> dict[str, bytes]:
    """By account: the least key of the credentials that it connects, by way of others as well."""
    keys: dict[str, bytes] = {}
    before: dict[str, bytes] | None = None
    while keys != before:
        before = keys.copy()
        for each in credentials:
            known = [each.digest_key, *(keys.get(sid, b"") for sid in each.sids)]
            if least := min(filter(None, known), default=b""):
                keys.update(dict.fromkeys(each.sids, least))
    return keys


def compile_credential(resolved: ResolvedCredential, seal: ValueSeal | None = None) -> Credential:
    """A credential with the values of its `Authorization` fields, ready to be sent. Pure."""
    account = _account(resolved.account_sid, resolved.keys, resolved.auth_token)
    return Credential(
        name=resolved.name,
        account=account,
        subaccounts={sub.account_sid: _subaccount(sub, account) for sub in resolved.subaccounts},
        region=resolved.region,
        edge=resolved.edge or "",
        asks=resolved.asks,
        # Without `store_key`: the one other secret that all replicas share.
        digest_key=_digest_key(account) if seal is None else seal.digest_key,
    )


def _digest_key(account: Account) -> bytes:
    if not account.keys:  # where only webhooks are served: nothing is created
        return b""
    return hmac.digest(account.keys[0].authorization, _DIGESTS, "sha256")


def _subaccount(resolved: ResolvedAccount, parent: Account) -> Account:
    if not resolved.keys and resolved.auth_token is None:
        return Account(resolved.account_sid, parent.keys)
    return _account(resolved.account_sid, resolved.keys, resolved.auth_token)


def _account(sid: str, keys: Iterable[ResolvedKey], auth_token: Secret | None) -> Account:
    compiled = [ApiKey(mask_sid(key.sid), basic_value(key.sid, key.secret.reveal())) for key in keys]
    if auth_token is not None:
        compiled.append(ApiKey(mask_sid(sid), basic_value(sid, auth_token.reveal())))
    return Account(sid, tuple(compiled))


def deployment_via(resolved: ResolvedSettings) -> bytes:
    """Our name in Via: the same in all replicas of a deployment, another one in other deployments, so that
    gateways may be chained. Made of what Twilio knows of us anyway."""
    digest = hashlib.sha256(resolved.settings.store_prefix.encode())
    for name, credential in sorted(resolved.credentials.items()):
        digest.update(
            " ".join(["", name, credential.account_sid, *(key.sid for key in credential.keys)]).encode()
        )
    return b"%b-%b" % (VIA_NAME, digest.hexdigest()[:12].encode())
