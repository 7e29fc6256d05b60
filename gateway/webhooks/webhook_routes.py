"""Routes: which service a path belongs to, and the URL that the service is called by. Pure.

The first route that fits is taken. Paths are compared byte for byte: a signature covers one spelling, and
what another reader makes of a path must not decide where it leads.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gateway.consumers.rate_limit_rules import Limit
from gateway.webhooks.public_address import PublicAddress
from gateway.webhooks.signature import SigningSecret

MAX_BODY_BYTES: Final = 1_048_576
TIMEOUT_SECONDS: Final = 10.0
MAX_TIMEOUT_SECONDS: Final = 15.0
"""Twilio waits no longer, unless the URL asks for it (https://www.twilio.com/docs/usage/webhooks)."""
WILDCARD: Final = "/**"
USUAL_PORTS: Final = {"http": 80, "https": 443}

# What a path under `/**` may hold: RFC 3986 pchar and "/", no escaped slash, backslash, dot or control.
_REST: Final = re.compile(
    rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/|^\[\]]|%(?!2[FfEe]|5[Cc]|[01][0-9A-Fa-f]|7[Ff]|25)[0-9A-Fa-f]{2})*+"
)
_QUERY: Final = re.compile(rb"[!\"$-~]*+")


@dataclass(frozen=True, slots=True)
class WebhookRoute:
    """`path` is the route's name as well: the label of its metrics. `base` and `to` end where `**` begins.

    `sid` is the account whose secrets are `secrets`.
    """

    path: str
    account: str
    sid: str
    base: bytes
    to: str
    open_ended: bool
    secrets: tuple[SigningSecret, ...]
    sign_key: bytes = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    fallback: bytes | None = None
    reports: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    rate: Limit | None = None
    """Of verified events; of all replicas together where they share a store."""
    concurrency: int = 100
    origin: str = ""
    """Scheme, host and port of `to`: the name of its connection pool."""

    def fits(self, path: bytes) -> bool:
        """Whether a request path is the route's own, or beneath it."""
        if not self.open_ended:
            return path == self.base
        return path.startswith(self.base) and is_plain_rest(path[len(self.base) :])

    def inward_url(self, path: bytes) -> str:
        """The service's URL for a path that fits, without a query."""
        return self.to + path[len(self.base) :].decode("ascii")

    def public_path(self, rest: str) -> str:
        """The path that leads to `rest` beneath `to`."""
        return self.base.decode("ascii") + rest


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """All that decisions about one event depend on. A reload replaces the whole value."""

    address: PublicAddress
    routes: tuple[WebhookRoute, ...]
    secrets: tuple[SigningSecret, ...] = ()
    """Those of all accounts: it helps to know which other one would have matched."""
    bases: tuple[bytes, ...] = field(init=False)
    _exact: dict[bytes, int] = field(init=False, repr=False)
    _open: tuple[tuple[int, WebhookRoute], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        exact: dict[bytes, int] = {}
        for index, route in enumerate(self.routes):
            if not route.open_ended:
                exact.setdefault(route.base, index)
        opened = tuple((index, route) for index, route in enumerate(self.routes) if route.open_ended)
        object.__setattr__(self, "bases", self.address.bases())
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_open", opened)

    def match(self, path: bytes) -> WebhookRoute | None:
        """The first route that a request path fits."""
        exact = self._exact.get(path, len(self.routes))
        for index, route in self._open:
            if index > exact:
                break
            if route.fits(path):
                return route
        return self.routes[exact] if exact < len(self.routes) else None


def split_path(path: str) -> tuple[str, bool]:
    """A configured path or target less its `**`, and whether it had one: `/voice/**` is (`/voice/`, True)."""
    if path.endswith(WILDCARD):
        return path.removesuffix("**"), True
    return path, False


@lru_cache(maxsize=1024)
def split_origin(url: str) -> tuple[str, str]:
    """A service's URL as `http://host:port` in lower case with its port, and its path."""
    parts = urlsplit(url)
    port = parts.port or USUAL_PORTS[parts.scheme]
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}", parts.path or "/"


def split_target(target: str) -> tuple[bytes, bytes] | None:
    """Path and query of a request target in origin-form (RFC 9112 3.2.1); None for any other."""
    try:
        raw = target.encode("ascii")
    except UnicodeEncodeError:
        return None
    path, _, query = raw.partition(b"?")
    if not path.startswith(b"/") or _QUERY.fullmatch(query) is None:
        return None
    return path, query


def is_plain_rest(rest: bytes) -> bool:
    """Whether all readers agree on where a path leads: it leaves no folder, and hides nothing in escapes."""
    if _REST.fullmatch(rest) is None:
        return False
    return not any(segment in (b".", b"..") for segment in rest.split(b"/"))


def nearest_route(rules: WebhookRules, path: bytes) -> WebhookRoute | None:
    """The route that a path without one misses by a slash, by case or by doubled slashes; for hints."""
    wanted = _simplify(path)
    for route in rules.routes:
        own = _simplify(route.base)
        if wanted == own or (route.open_ended and wanted.startswith(own + b"/")):
            return route
    return None


def _simplify(path: bytes) -> bytes:
    return b"/" + b"/".join(part for part in path.lower().split(b"/") if part)
