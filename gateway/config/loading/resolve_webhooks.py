"""From `webhooks:` to its resolved form: whose secret each is, and which account each route is for.

Reads through what it is given; collects what is wrong by `refuse`, as `resolve.py` does.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.config.loading.certificate_files import TlsMaterial
from gateway.config.loading.resolved import (
    ResolvedCredential,
    ResolvedWebhookRoute,
    ResolvedWebhooks,
    ResolvedWebhookSecret,
    Role,
    TrustedFile,
)
from gateway.config.problems import KeyPath
from gateway.config.schema.addresses import parse_address
from gateway.config.schema.secret_values import Secret, SecretRef
from gateway.config.schema.tls_settings import Tls
from gateway.config.schema.webhook_settings import Webhooks

_UNREAD = Secret("", "unread")
_PATH = "webhooks"


class FileReader(Protocol):
    """`NamedFiles`, or its stand-in where no file is read."""

    def tls(self, tls: Tls | None, path: KeyPath) -> TlsMaterial | None: ...
    def authorities(self, name: str | None, path: KeyPath) -> TrustedFile | None: ...


def resolve_webhooks(
    settings: Webhooks | None,
    role: Role,
    credentials: Mapping[str, ResolvedCredential],
    read_secret: Callable[[SecretRef, KeyPath], Secret | None],
    files: FileReader,
    refuse: Callable[[KeyPath, str, str], None],
) -> ResolvedWebhooks | None:
    """Follow every reference beneath `webhooks`; None where there is no such port, or `role` serves none."""
    if settings is None and role is Role.WEBHOOKS:
        refuse((), "has no `webhooks`, and nothing else is to be served", "add `webhooks:`")
    if settings is None or role is Role.DATA:
        return None

    def sid_of(account: str, path: KeyPath) -> str:
        if account in credentials:
            return credentials[account].account_sid
        for credential in credentials.values():
            if account in (credential.account_sid, *(sub.account_sid for sub in credential.subaccounts)):
                return account
        hint = "write a credential's name, or list the SID in `subaccounts` of its credential"
        refuse((*path, "account"), "no credential has this account", hint)
        return ""

    secrets = []
    for index, entry in enumerate(settings.secrets):
        path: KeyPath = (_PATH, "secrets", index)
        name = "secret" if entry.auth_token is None else "auth_token"
        reference = entry.auth_token or entry.secret
        secret = None if reference is None else read_secret(reference, (*path, name))
        secrets.append(ResolvedWebhookSecret(entry, sid_of(entry.account, path), secret or _UNREAD))
    routes = []
    for index, route in enumerate(settings.routes):
        path = (_PATH, "routes", index)
        signs = read_secret(route.sign_with, (*path, "sign_with")) or _UNREAD
        routes.append(ResolvedWebhookRoute(route, sid_of(route.account, path), signs))
    return ResolvedWebhooks(
        settings=settings,
        listen=parse_address(settings.listen),
        tls=files.tls(settings.tls, (_PATH, "tls")),
        ca_file=files.authorities(settings.ca_file, (_PATH, "ca_file")),
        secrets=tuple(secrets),
        routes=tuple(routes),
    )
