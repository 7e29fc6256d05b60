"""From settings to resolved settings: reads variables and files, has stores asked, and judges what was there.

Collects every finding before it gives up. Its errors name the variable, the file or the place in a store,
never what it holds. How a store is asked, it must not know: it is given a `RemoteSource`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.background.breathing import breathe
from gateway.config.checking.setting_warnings import find_certificate_warnings
from gateway.config.checking.webhook_checks import SAME_ADDRESS
from gateway.config.loading.child_process import load_apart
from gateway.config.loading.load import Loaded, load_settings
from gateway.config.loading.named_files import NamedFiles
from gateway.config.loading.reference_reader import ReferenceReader
from gateway.config.loading.references import remote_references
from gateway.config.loading.remote_source import RemoteSource, ask_no_store
from gateway.config.loading.resolve_webhooks import resolve_webhooks
from gateway.config.loading.resolved import (
    ResolvedAccount,
    ResolvedConsumer,
    ResolvedConsumerKey,
    ResolvedCredential,
    ResolvedKey,
    ResolvedSettings,
    Role,
)
from gateway.config.loading.stand_ins import UnreadFiles
from gateway.config.problems import ConfigError, KeyPath
from gateway.config.schema import addresses, values
from gateway.config.schema.account_settings import ApiKeySettings, CredentialSettings, Subaccount
from gateway.config.schema.addresses import parse_address
from gateway.config.schema.admin_settings import ADMIN_TOKENS, find_weak_tokens
from gateway.config.schema.audit_settings import find_weak_key
from gateway.config.schema.consumer_settings import ConsumerKey, ConsumerSettings
from gateway.config.schema.secret_values import RemoteSecret, Secret, SecretRef
from gateway.config.schema.settings import Settings
from gateway.policy.addressing import DEFAULT_EDGES

_UNREAD = Secret("", "unread")
"""Represents a secret that could not be read, until all findings are collected."""


def load_static(path: Path, environ: Mapping[str, str], role: Role = Role.BOTH) -> ResolvedSettings:
    """What `role` needs of the configuration at `path`, with stand-ins for secrets and mounted files: for a
    check where there are none. Raises ConfigError with all that is wrong."""
    return resolve_static(load_settings(path, environ, follow=False), environ, role)


def resolve_static(loaded: Loaded, environ: Mapping[str, str], role: Role = Role.BOTH) -> ResolvedSettings:
    """Settings with stand-ins for secrets and mounted files. Raises ConfigError with all that is wrong."""
    reader = ReferenceReader(environ, loaded.source.parent, ask_no_store, static=True)
    return _resolve(loaded, _Resolver(reader, role))


def load_resolved(
    path: Path,
    environ: Mapping[str, str],
    remote: RemoteSource | None = None,
    role: Role = Role.BOTH,
    *,
    apart: bool = False,
) -> ResolvedSettings:
    """What `role` needs of the configuration at `path`. Blocks while stores are asked: not for a loop that
    has something else to do. `apart`: a large file is read by a child process.

    Raises ConfigError with all that is wrong.
    """
    load = load_apart if apart else load_settings
    return resolve_all(load(path, environ), environ, remote, role)


def resolve_all(
    loaded: Loaded, environ: Mapping[str, str], remote: RemoteSource | None = None, role: Role = Role.BOTH
) -> ResolvedSettings:
    """Follow every reference that `role` needs, and no other. Raises ConfigError with all that is wrong."""
    base_dir = loaded.source.parent
    references = remote_references(loaded.settings, role)
    ask: RemoteSecret = ask_no_store
    if remote is not None:
        ask = remote.fetch(loaded.settings.secret_stores, references, environ, base_dir)
    return _resolve(loaded, _Resolver(ReferenceReader(environ, base_dir, ask), role))


def _resolve(loaded: Loaded, resolver: "_Resolver") -> ResolvedSettings:
    resolved = resolver.all(loaded)
    if findings := resolver.reader.findings:
        raise ConfigError(loaded.origins.problems(findings), partial=resolved)
    return resolved


class _Resolver:
    """Makes resolved settings; what is wrong is in the findings of `reader`."""

    def __init__(self, reader: ReferenceReader, role: Role = Role.BOTH) -> None:
        self.reader = reader
        self._role = role
        self._calls = role is not Role.WEBHOOKS  # whether callers are served, and Twilio is called

    def all(self, loaded: Loaded) -> ResolvedSettings:
        settings = loaded.settings
        upstream = settings.upstream
        reader = self.reader
        credentials = {
            name: self._credential(name, credential, ("credentials", name))
            for name, credential in settings.credentials.items()
        }
        consumers = self._consumers(settings) if self._calls else {}
        self._find_same_port(settings)
        tokens = [self._token(getattr(settings.admin, name), ("admin", name)) for name in ADMIN_TOKENS]
        audit_key = self._token(settings.audit.key if settings.audit else None, ("audit", "key"))
        reader.findings += [*find_weak_tokens(*tokens), *find_weak_key(audit_key)]
        named = NamedFiles(reader.base_dir, reader.files, reader.refuse, reader.environ)
        files = UnreadFiles() if reader.static else named
        tls = files.tls(settings.tls if self._calls else None, ("tls",))
        ca = files.authority(settings.ca if self._calls else None, ("ca",))
        issuers = settings.jwt if self._calls else ()
        doubts = find_certificate_warnings(settings, tls.expires if tls else 0, ca, datetime.now(UTC))
        return ResolvedSettings(
            settings=settings,
            listen=parse_address(settings.listen),
            tls=tls,
            ca=ca,
            admin_listen=parse_address(settings.admin.listen),
            page_token=tokens[0],
            metrics_token=tokens[1],
            operate_token=tokens[2],
            audit_key=audit_key,
            store=self._store(settings.store),
            store_key=self._store_key(settings.store_key),
            proxy=reader.url(
                upstream.proxy if self._calls else None, addresses.PROXY_URL, ("upstream", "proxy")
            ),
            ca_file=files.authorities(upstream.ca_file if self._calls else None, ("upstream", "ca_file")),
            credentials=credentials,
            consumers=consumers,
            issuers=tuple(files.issuer(issuer, ("jwt", index)) for index, issuer in enumerate(issuers)),
            files=(loaded.source, *loaded.included, *reader.files),
            origins=loaded.origins,
            warnings=(*loaded.warnings, *loaded.origins.problems(doubts)),
            webhooks=resolve_webhooks(
                settings.webhooks, self._role, credentials, reader.secret, files, reader.refuse
            ),
            role=self._role,
            config_hash=loaded.config_hash,
        )

    def _consumers(self, settings: Settings) -> dict[str, ResolvedConsumer]:
        consumers = {
            name: self._consumer(name, consumer, ("consumers", name))
            for name, consumer in settings.consumers.items()
        }
        self._find_duplicates(consumers)
        return consumers

    def _find_same_port(self, settings: Settings) -> None:
        """Only a process of both roles opens the data and the webhook port."""
        webhooks = settings.webhooks
        if webhooks is None or self._role is not Role.BOTH or not settings.consumers:
            return
        if addresses.collide(webhooks.listen, settings.listen):
            self.reader.refuse(("webhooks", "listen"), SAME_ADDRESS, "choose another port")

    def _store(self, given: str | SecretRef) -> Secret | None:
        url = self.reader.url(given, addresses.STORE, ("store",))
        return None if url is None or url.reveal() == addresses.MEMORY else url

    def _store_key(self, reference: SecretRef | None) -> Secret | None:
        if reference is None:
            return None
        secret = self.reader.secret(reference, ("store_key",), values.STORE_KEY)
        if secret is not None and not values.STORE_KEY.matches(secret.reveal().strip()):
            message, hint = values.STORE_KEY.message, values.STORE_KEY.hint
            self.reader.refuse(("store_key",), f"the value of {reference} is {message}", hint)
            return None
        return secret

    def _api_keys(self, keys: tuple[ApiKeySettings, ...], path: KeyPath) -> tuple[ResolvedKey, ...]:
        return tuple(
            ResolvedKey(
                self.reader.text(key.sid, values.KEY_SID, (*path, index, "sid")),
                self.reader.secret(key.secret, (*path, index, "secret")) or _UNREAD,
            )
            for index, key in enumerate(keys)
            if self._calls
        )

    def _token(self, reference: SecretRef | None, path: KeyPath) -> Secret | None:
        return None if reference is None else self.reader.secret(reference, path)

    def _auth_token(self, reference: SecretRef | None, path: KeyPath) -> Secret | None:
        if reference is None or not self._calls:
            return None
        return self.reader.secret(reference, path) or _UNREAD

    def _credential(self, name: str, credential: CredentialSettings, path: KeyPath) -> ResolvedCredential:
        account_sid = self.reader.text(credential.account_sid, values.ACCOUNT_SID, (*path, "account_sid"))
        seen = {account_sid}
        subaccounts = []
        for index, entry in enumerate(credential.subaccounts):
            place = (*path, "subaccounts", index)
            subaccount = self._subaccount(entry, place)
            if subaccount.account_sid and subaccount.account_sid in seen:
                self.reader.refuse(
                    place, "this account is listed twice in its credential", "keep one of the two"
                )
            seen.add(subaccount.account_sid)
            subaccounts.append(subaccount)
        return ResolvedCredential(
            name=name,
            account_sid=account_sid,
            keys=self._api_keys(credential.keys, (*path, "keys")),
            auth_token=self._auth_token(credential.auth_token, (*path, "auth_token")),
            subaccounts=tuple(subaccounts),
            region=credential.region,
            edge=credential.edge or DEFAULT_EDGES.get(credential.region) or None,
            asks=credential.repeat_guard.ask,
        )

    def _subaccount(self, entry: str | Subaccount, path: KeyPath) -> ResolvedAccount:
        if isinstance(entry, str):
            return ResolvedAccount(entry, (), None)
        return ResolvedAccount(
            self.reader.text(entry.account_sid, values.ACCOUNT_SID, (*path, "account_sid")),
            self._api_keys(entry.keys, (*path, "keys")),
            self._auth_token(entry.auth_token, (*path, "auth_token")),
        )

    def _consumer(self, name: str, consumer: ConsumerSettings, path: KeyPath) -> ResolvedConsumer:
        breathe()
        keys = (self._consumer_key(key, (*path, "keys", index)) for index, key in enumerate(consumer.keys))
        return ResolvedConsumer(name, tuple([each.ending_by(consumer.expires) for each in keys]), consumer)

    def _consumer_key(self, entry: str | ConsumerKey, path: KeyPath) -> ResolvedConsumerKey:
        if isinstance(entry, str):
            return ResolvedConsumerKey(_bare(entry), None)
        expires = None if entry.expires is None else entry.expires.timestamp()
        reference = entry.reference
        if reference is None:
            return ResolvedConsumerKey(_bare(entry.digest or ""), expires)
        secret = self.reader.secret(reference, path, values.DIGEST)
        digest = "" if secret is None else secret.reveal()
        reason = values.why_no_digest(digest)
        if secret is not None and reason:
            self.reader.refuse(path, f"the value of {reference} is {reason}", values.DIGEST.hint)
        return ResolvedConsumerKey(_bare(digest), expires)

    def _find_duplicates(self, consumers: Mapping[str, ResolvedConsumer]) -> None:
        """A key says who is calling, so it can be that of one consumer only."""
        owners: dict[str, str] = {}
        for path, digest in _digests(consumers):
            if digest in owners:
                self.reader.refuse(path, f"the same key as {owners[digest]}", "make one key per consumer")
            elif digest:
                owners[digest] = ".".join(map(str, path))


def _digests(consumers: Mapping[str, ResolvedConsumer]) -> Iterator[tuple[KeyPath, str]]:
    for name, consumer in consumers.items():
        breathe()
        for index, key in enumerate(consumer.keys):
            yield ("consumers", name, "keys", index), key.digest


def _bare(digest: str) -> str:
    return digest.removeprefix(values.DIGEST_PREFIX).lower()
