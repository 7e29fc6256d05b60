"""Certificates, issuers and claims that contradict each other: every caller must be exactly one consumer.

Works on plain values like `contradictions.py`, which calls it. Skips what has not the form it should have.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gateway.config.checking.known_names import suggest
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.settings import Settings
from gateway.identity.jwt_claims import parse_claim_path

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
            hint = "keep one: a token's `iss` selects the keys that verify it"
            yield Finding((*path, "issuer"), "given twice", hint)
        if isinstance(name, str) and isinstance(url, str):
            names.add(name)
            urls.add(url)
        if bool(keys) == bool(issuer.get("jwks_file")):
            yield Finding(
                path, "needs one place of its keys", "write one of `jwks_url: …` and `jwks_file: …`"
            )
        if isinstance(keys, str) and keys.startswith("http://") and _host(keys) not in _HERE:
            hint = "write https://…: keys that are changed on the way make forged tokens valid"
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
            yield Finding(
                ("consumers", name), "has no key, certificate or JWT claim to authenticate with", hint
            )


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
    known = set(issuers)
    index = _ClaimIndex()
    for name, consumer in consumers:
        for position, entry in _entries(consumer, "jwt"):
            path: KeyPath = ("consumers", name, "jwt", position)
            issuer, claims = entry.get("issuer"), entry.get("claims")
            if isinstance(issuer, str) and issuer not in known:
                yield Finding((*path, "issuer"), "no issuer has this name", suggest(issuer, issuers))
            if isinstance(issuer, str) and isinstance(claims, dict):
                wanted = {
                    (parse_claim_path(claim), text) for claim, text in claims.items() if isinstance(text, str)
                }
                plain = dict(wanted)
                is_whole = all(isinstance(text, str) for text in claims.values())
                if is_whole and len(plain) == len(wanted):  # one that gives a claim two texts has no tokens
                    index.add(_Claims(path, name, issuer, plain))
    for path, other in index.find_shared():
        message = f"a token can have these claims and those of {_shown(other)}"
        yield Finding(path, message, "make them differ in the text of a claim")


class _Claims(NamedTuple):
    """One entry of a consumer's `jwt`."""

    path: KeyPath
    consumer: str
    issuer: str
    claims: Mapping[tuple[str, ...], str]
    """By path: `sub` and `/sub` are the same claim."""


_Names = tuple[tuple[str, ...], ...]
_Texts = tuple[str, ...]


class _ClaimIndex:
    """Entries by issuer, by the names of their claims, and by the texts of these: an entry that holds all the
    claims of another one is found by look-ups, not by comparing it with every other entry."""

    def __init__(self) -> None:
        self._entries: list[_Claims] = []
        self._found: dict[str, dict[_Names, dict[_Texts, list[int]]]] = {}

    def add(self, entry: _Claims) -> None:
        """In the file's order."""
        names = tuple(sorted(entry.claims))
        texts = tuple(entry.claims[name] for name in names)
        by_names = self._found.setdefault(entry.issuer, {})
        same = by_names.setdefault(names, {}).setdefault(texts, [])
        if len(same) < 2 and all(self._entries[number].consumer != entry.consumer for number in same):
            same.append(len(self._entries))  # two consumers: one of them is another's than any entry's
        self._entries.append(entry)

    def find_shared(self) -> list[tuple[KeyPath, KeyPath]]:
        """(path, path of another consumer's earlier entry) wherever a token could have both's claims."""
        earlier: dict[int, int] = {}
        for number, entry in enumerate(self._entries):
            by_names = self._found[entry.issuer]
            for names in _names_within(entry.claims, by_names):
                texts = tuple(entry.claims[name] for name in names)
                for other in by_names[names].get(texts, ()):
                    if self._entries[other].consumer != entry.consumer:
                        first, last = sorted((number, other))
                        earlier[last] = min(first, earlier.get(last, first))
        return [(self._entries[last].path, self._entries[first].path) for last, first in earlier.items()]


def _names_within(claims: Mapping[tuple[str, ...], str], known: Mapping[_Names, object]) -> Iterator[_Names]:
    """Those of the `known` sets of names that `claims` has all of, itself included."""
    given = sorted(claims)
    if 2 ** len(given) <= len(known):
        subsets = (names for size in range(len(given) + 1) for names in combinations(given, size))
        yield from (names for names in subsets if names in known)
    else:
        yield from (names for names in known if claims.keys() >= set(names))


def _entries(consumer: Mapping[str, object], setting: str) -> Iterator[tuple[int, dict[str, object]]]:
    entries = consumer.get(setting)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _shown(path: KeyPath) -> str:
    return ".".join(map(str, path))


def find_identity_warnings(settings: Settings) -> Iterator[Finding]:
    """Certificates that callers are not asked for, and issuers whose tokens identify no consumer."""
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
