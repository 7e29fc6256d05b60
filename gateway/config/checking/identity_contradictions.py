"""Certificates, issuers and claims that contradict each other: whoever calls must be one consumer, and known.

Works on plain values like `checks.py`, which calls it, and skips what has not the form it should have.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from gateway.config.checking.pydantic_errors import suggest
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.settings import Settings

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Consumers = list[tuple[str, Mapping[str, object]]]


def find_identity_contradictions(issuers: object, consumers: Consumers) -> Iterator[Finding]:
    """`issuers` is the value of `jwt`; `consumers` are (name, plain values)."""
    known = [issuer for issuer in issuers if isinstance(issuer, dict)] if isinstance(issuers, list) else []
    yield from _issuers(known)
    yield from _unknown(consumers)
    yield from _certificates(consumers)
    yield from _tokens([str(issuer.get("name")) for issuer in known], consumers)


def _issuers(issuers: list[dict[str, object]]) -> Iterator[Finding]:
    names: set[object] = set()
    urls: set[object] = set()
    for index, issuer in enumerate(issuers):
        path: KeyPath = ("jwt", index)
        name, url, keys = issuer.get("name"), issuer.get("issuer"), issuer.get("jwks_url")
        if isinstance(name, str) and name in names:
            yield Finding((*path, "name"), "another issuer has this name", "choose another one")
        if isinstance(url, str) and url in urls:
            hint = "keep one: a token's `iss` says by whose keys it is judged"
            yield Finding((*path, "issuer"), "given twice", hint)
        if isinstance(name, str) and isinstance(url, str):
            names.add(name)
            urls.add(url)
        if bool(keys) == bool(issuer.get("jwks_file")):
            yield Finding(
                path, "needs one place of its keys", "write one of `jwks_url: …` and `jwks_file: …`"
            )
        if isinstance(keys, str) and keys.startswith("http://") and _host(keys) not in _HERE:
            hint = "write https://…: whoever can change them on the way can make tokens"
            yield Finding((*path, "jwks_url"), "keys must not be fetched over plain http", hint)
        for setting in ("ca_file", "token_file"):
            if issuer.get(setting) and not keys:
                yield Finding((*path, setting), "is for `jwks_url`, which is not given", "remove it")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _unknown(consumers: Consumers) -> Iterator[Finding]:
    for name, consumer in consumers:
        if not any(consumer.get(setting) for setting in ("keys", "certificates", "jwt")):
            hint = f"run `gateway key new {name}` and add `keys: […]`, or `certificates`, or `jwt`"
            yield Finding(("consumers", name), "has nothing to be known by", hint)


def _certificates(consumers: Consumers) -> Iterator[Finding]:
    owners: dict[tuple[str, str], str] = {}
    for name, consumer in consumers:
        for index, entry in _entries(consumer, "certificates"):
            path: KeyPath = ("consumers", name, "certificates", index)
            for kind, text in entry.items():
                if not isinstance(text, str):
                    continue
                if owner := owners.get((kind, text)):
                    yield Finding(path, f"the same name as {owner}", "one name stands for one consumer")
                else:
                    owners[kind, text] = _shown(path)


def _tokens(issuers: list[str], consumers: Consumers) -> Iterator[Finding]:
    """A token that has all the claims of one entry must not have all those of another consumer's."""
    seen: list[tuple[str, KeyPath, object, dict[str, object]]] = []
    for name, consumer in consumers:
        for index, entry in _entries(consumer, "jwt"):
            path: KeyPath = ("consumers", name, "jwt", index)
            issuer, claims = entry.get("issuer"), entry.get("claims")
            if isinstance(issuer, str) and issuer not in issuers:
                yield Finding((*path, "issuer"), "no issuer has this name", suggest(issuer, issuers))
            if not isinstance(claims, dict):
                continue
            for other, place, their_issuer, theirs in seen:
                shared = theirs.items() <= claims.items() or claims.items() <= theirs.items()
                if other != name and their_issuer == issuer and shared:
                    message = f"a token can have these claims and those of {_shown(place)}"
                    yield Finding(path, message, "make them differ in the text of a claim")
            seen.append((name, path, issuer, claims))


def _entries(consumer: Mapping[str, object], setting: str) -> Iterator[tuple[int, dict[str, object]]]:
    entries = consumer.get(setting)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _shown(path: KeyPath) -> str:
    return ".".join(map(str, path))


def find_identity_doubts(settings: Settings) -> Iterator[Finding]:
    """Certificates that nobody is asked for, issuers whose tokens are of no use."""
    asks = settings.tls is not None and settings.tls.client_certificates != "none"
    for name, consumer in settings.consumers.items():
        if consumer.certificates and not asks:
            hint = "write `client_certificates: optional` in `tls`"
            yield Finding(("consumers", name, "certificates"), "callers are not asked for certificates", hint)
    used = {token.issuer for consumer in settings.consumers.values() for token in consumer.jwt}
    for index, issuer in enumerate(settings.jwt):
        if issuer.name not in used:
            hint = "remove it, or name it in a consumer's `jwt`"
            yield Finding(("jwt", index), "no consumer is known by its tokens", hint)
