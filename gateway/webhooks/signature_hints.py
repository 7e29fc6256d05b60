"""Why a signature does not match: which URL, body or secret it would have matched. Pure, for people.

Signatures fail for a handful of reasons, most of them proxies: this tries them one after the other. What is
found is said in words that hold no query and no secret. It takes hundreds of HMACs, so that its caller bounds
how often it is asked; how much it hashes is bounded here.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from gateway.webhooks.public_address import PublicAddress, public_urls
from gateway.webhooks.signature import (
    Algorithm,
    Pairs,
    SignatureSettings,
    SigningSecret,
    find_tails,
    hash_body,
    join_parameters,
    read_pairs,
    sign,
)

MAX_BODY_BYTES: Final = 65_536
_MAX_HASHED_BYTES: Final = 4 << 20
"""Some milliseconds of the event loop."""
_MAX_TRIED: Final = 100
"""Of larger forms no parameter is left out by turns, which takes the square of their number."""
_ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_LIKELY_PORTS: Final = (b"", b"80", b"443", b"8080", b"8443", b"3000", b"5000", b"8000")
NO_HINT: Final = "none"
_LINE_BREAK: Final = "without the line break at its end"  # an editor's, in a file of explain-webhook


class Suspect(NamedTuple):
    """A request whose signature did not match. `host` is its Host field, which is believed for hints only."""

    signature: bytes
    settings: SignatureSettings | None
    path: bytes
    query: bytes
    body: bytes
    form: Pairs | None
    host: bytes = b""


class Hint(NamedTuple):
    """`part` is `url`, `body`, `secret`, `settings`, `signature` or `none`; `text` is a sentence's part."""

    part: str
    text: str


def find_hint(
    suspect: Suspect, address: PublicAddress, own: Sequence[SigningSecret], every: Sequence[SigningSecret]
) -> Hint:
    """What would have matched. `own` are the secrets of the route's account, `every` those of all."""
    if not suspect.signature:
        return Hint("signature", "the request has no X-Twilio-Signature, or more than one")
    if suspect.settings is None:
        return Hint("settings", "X-Twilio-Webhooks-Signature-Settings names an algorithm that is not known")
    if not own:
        return Hint("secret", "the route's account has no secret")
    finder = _Finder(suspect, address)
    return (
        finder.by_secret(own, every)
        or finder.by_url(own)
        or finder.by_body(own)
        or Hint(NO_HINT, "none that was tried: the secret is another account's, or Twilio did not sign it")
    )


class _Finder:
    def __init__(self, suspect: Suspect, address: PublicAddress) -> None:
        self._suspect = suspect
        self._address = address
        self._hashed = 0
        query = suspect.query
        self._target = suspect.path + (b"?" + query if query else b"")
        self._urls = public_urls(address.bases(), self._target)
        self._tails = find_tails(query, suspect.body, suspect.form)

    def by_secret(self, own: Sequence[SigningSecret], every: Sequence[SigningSecret]) -> Hint | None:
        """The same URL and body, and another secret or algorithm than the one that had to be taken."""
        settings = self._suspect.settings
        for secret in (*own, *(each for each in every if each not in own)):
            for algorithm in Algorithm:
                if not self._fits(secret, algorithm, self._urls, self._tails):
                    continue
                if secret not in own:
                    return Hint("secret", f"{secret.origin}, which is not a secret of the route's account")
                if settings is not None and secret.shared_key != settings.shared_key:
                    named = settings.shared_key or "an Auth Token"
                    return Hint("settings", f"{secret.origin}, but the request says that {named} signed it")
                return Hint("secret", f"{secret.origin} by {algorithm.name}, which is not what it allows")
        return None

    def by_url(self, own: Sequence[SigningSecret]) -> Hint | None:
        """The same body and a secret of the account, and another URL."""
        for label, url in self._other_urls():
            if url not in self._urls and self._fits_any(own, (url,), self._tails or (b"",)):
                return Hint("url", label)
        return None

    def by_body(self, own: Sequence[SigningSecret]) -> Hint | None:
        """The same URL and a secret of the account, and another body."""
        for label, tail in self._other_tails():
            if self._fits_any(own, self._urls, (tail,)):
                return Hint("body", label)
        return None

    def _fits_any(
        self, secrets: Sequence[SigningSecret], urls: Sequence[bytes], tails: Sequence[bytes]
    ) -> bool:
        return any(self._fits(secret, secret.algorithm, urls, tails) for secret in secrets)

    def _fits(
        self, secret: SigningSecret, algorithm: Algorithm, urls: Sequence[bytes], tails: Sequence[bytes]
    ) -> bool:
        for url in urls:
            for tail in tails:
                self._hashed += len(url) + len(tail)
                if self._hashed > _MAX_HASHED_BYTES:
                    return False
                if sign(secret.key, algorithm, url, tail) == self._suspect.signature:
                    return True
        return False

    def _other_urls(self) -> Iterator[tuple[str, bytes]]:
        address, suspect = self._address, self._suspect
        for path, label in _other_paths(address.path, suspect.path):
            for base in _bases(address, b""):
                yield f"the path {label}", base + path + self._target[len(suspect.path) :]
        for query, label in _other_queries(suspect.query):
            for base in address.bases():
                yield f"the query {label}", base + suspect.path + query
        host, _, port = suspect.host.partition(b":") if b"[" not in suspect.host else (suspect.host, b"", b"")
        hosts = dict.fromkeys((address.host, host.lower(), address.host.lower()))
        for name in filter(None, hosts):
            for scheme in dict.fromkeys((address.scheme, b"https", b"http")):
                for number in dict.fromkeys((*_LIKELY_PORTS, address.port, port)):
                    other = PublicAddress(scheme, name, number, address.path)
                    label = _describe(other, address)
                    if label:
                        yield label, other.url + self._target

    def _other_tails(self) -> Iterator[tuple[str, bytes]]:
        suspect = self._suspect
        hashes = [value for name, value in read_pairs(suspect.query) or [] if name == b"bodySHA256"]
        if hashes:
            yield _describe_hashes(hashes, suspect.body), b""
        if suspect.form and suspect.body.endswith(b"\n"):
            for tail in join_parameters(read_pairs(suspect.body.rstrip(b"\r\n")) or []):
                yield _LINE_BREAK, tail
        if suspect.form:
            kept = [pair for pair in suspect.form if pair[1]]
            for tail in join_parameters(kept):
                yield "without its empty parameters: something between dropped or added them", tail
            for tail in join_parameters([(name, value.strip()) for name, value in suspect.form]):
                yield "with spaces at both ends of its values removed", tail
            few = dict.fromkeys(name for name, _ in suspect.form)
            for name in few if len(suspect.form) <= _MAX_TRIED else ():
                for tail in join_parameters([pair for pair in suspect.form if pair[0] != name]):
                    yield f"without the parameter {_show(name)}: something between added it", tail
        if suspect.body:
            yield "without the body: it is not a form that Twilio sent, or has no bodySHA256", b""


def _describe_hashes(hashes: list[bytes], body: bytes) -> str:
    if len(hashes) > 1:
        return "bodySHA256 is written more than once"
    if body.endswith(b"\n") and hash_body(body.rstrip(b"\r\n")) in hashes:
        return f"bodySHA256 is of the body {_LINE_BREAK}"
    if hash_body(body) in (value.lower() for value in hashes):
        return "bodySHA256 is written in upper case"
    return "bodySHA256 is of another body: it was changed"


def _bases(address: PublicAddress, path: bytes) -> tuple[bytes, ...]:
    return address._replace(path=path).bases()


def _other_paths(public: bytes, path: bytes) -> Iterator[tuple[bytes, str]]:
    whole = public + path
    yield whole + b"/", "with a slash at its end"
    yield whole.removesuffix(b"/"), "without the slash at its end"
    yield re.sub(rb"/{2,}", b"/", whole), "with its doubled slashes made one"
    yield b"/" + whole, "with a doubled slash at its beginning"
    yield path, "without what `public_url` puts before it"
    yield unquote_to_bytes(whole), "with its escapes undone"
    for change, label in _recased():
        yield change(whole), label
    yield whole.lower(), "in lower case"


def _other_queries(query: bytes) -> Iterator[tuple[bytes, str]]:
    mark = b"?" + query
    yield b"", "left out"
    yield mark.replace(b"+", b"%20"), "with `+` as `%20`"
    yield mark.replace(b"%20", b"+"), "with `%20` as `+`"
    yield unquote_to_bytes(mark), "with its escapes undone"
    yield quote(mark, safe="?&=+%").encode(), "with further characters escaped"
    for change, label in _recased():
        yield change(mark), label
    pairs = [part for part in query.split(b"&") if part]
    yield b"?" + b"&".join(sorted(pairs)), "with its parameters sorted"
    yield b"?" + b"&".join(part for part in pairs if not part.endswith(b"=")), "without its empty parameters"


def _recased() -> Iterator[tuple["_Change", str]]:
    yield _Change(upper=True), "with its escapes in upper case"
    yield _Change(upper=False), "with its escapes in lower case"


class _Change:
    def __init__(self, *, upper: bool) -> None:
        self._upper = upper

    def __call__(self, text: bytes) -> bytes:
        return _ESCAPE.sub(lambda found: found[0].upper() if self._upper else found[0].lower(), text)


def _describe(other: PublicAddress, address: PublicAddress) -> str:
    """How another base differs; '' if not."""
    parts = []
    if other.scheme != address.scheme:
        parts.append(f"{other.scheme.decode()} for {address.scheme.decode()}")
    if other.host != address.host:
        parts.append(f"the host {_show(other.host)}")
    if other.port != address.port:
        parts.append(f"port {other.port.decode()}" if other.port else "no port")
    return " and ".join(parts)


def _show(text: bytes) -> str:
    shown = "".join(
        char if char.isalnum() or char in ".-_:[]" else "?" for char in text.decode("ascii", "replace")
    )
    return shown[:60]
