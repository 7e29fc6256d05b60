"""The forms of addresses and URLs in the configuration. Knows nothing of what is reached there."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from gateway.config.schema.values import refuse


class ListenAddress(NamedTuple):
    """Where to listen. An IPv6 host is without brackets."""

    host: str
    port: int


_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_ADDRESS: Final = re.compile(rf"(?:\[([0-9a-fA-F:.]+)\]|({_LABEL}(?:\.{_LABEL})*\.?)):([0-9]{{1,5}})")
_EVERYWHERE: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - compared, not bound to


def parse_address(text: str) -> ListenAddress:
    """`127.0.0.1:8080`, `[::1]:8080`, `localhost:0`. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65_535 or len(match[2] or "") > 253:
        raise ValueError("not host:port")
    host = match[1] or match[2]
    if match[1] or host.replace(".", "").isdigit():
        ip_address(host)
    return ListenAddress(host, int(match[3]))


def collide(one: str, other: str) -> bool:
    """Whether two ports of one process could not both be opened, as far as can be told without a resolver."""
    first, second = parse_address(one), parse_address(other)
    if first.port != second.port or first.port == 0:
        return False
    known, others = _addresses_of(first.host), _addresses_of(second.host)
    return any(_meet(mine, theirs) for mine in known for theirs in others)


def _addresses_of(host: str) -> tuple[str, ...]:
    if host.lower().rstrip(".") == "localhost":
        return "127.0.0.1", "::1"
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return (host.lower().rstrip("."),)


def _meet(one: str, other: str) -> bool:
    """Two addresses, or names, of which one may be every interface of its family."""
    if one == other:
        return True
    version = 6 if ":" in one else 4
    return (":" in other) == (version == 6) and _EVERYWHERE[version] in (one, other)


def _check_address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError:
        hint = 'write 127.0.0.1:8080, 0.0.0.0:8080 for every interface, or "[::1]:8080" in quotes'
        refuse("not host:port", hint)
    return text


@dataclass(frozen=True, slots=True)
class UrlForm:
    """Which URLs a setting takes."""

    schemes: tuple[str, ...]
    example: str
    path: bool = False
    query: bool = False
    by_reference: bool = False
    """A user and password may be given by `{env:}` or `{file:}`; in the file they would be a secret."""
    word: str | None = None
    """A word that may stand in a URL's place."""
    path_pattern: str = ".*"
    """What the path must be, where there may be one."""

    @property
    def hint(self) -> str:
        return (
            f"write {self.word}, or a URL like {self.example}"
            if self.word
            else f"write it like {self.example}"
        )

    @property
    def message(self) -> str:
        return "not a URL that can be used here"

    def check(self, text: str) -> str:
        """A pydantic validator for the file's value. The value is without a slash at its end."""
        if text == self.word:
            return text
        parts = self._split(text)
        if parts is None:
            refuse(self.message, self.hint)
        if parts.username is not None or parts.password is not None or "password" in parts.query.lower():
            remedy = (
                "give the whole URL by {env: NAME} or {file: PATH}" if self.by_reference else "leave it out"
            )
            refuse("a user name or password must not stand in a URL here", remedy)
        return text.rstrip("/")

    def matches(self, text: str) -> bool:
        """Whether a value that came by reference can be used; it may hold a user and password."""
        return text == self.word or self._split(text) is not None

    def _split(self, text: str) -> SplitResult | None:
        if not re.fullmatch(r"[\x21-\x7e]+", text):  # urlsplit drops tabs and line breaks silently
            return None
        try:
            parts = urlsplit(text)
            good = parts.scheme in self.schemes and _is_authority(parts) and parts.port != 0
        except ValueError:  # a port out of range, a broken IPv6 address, a broken label of another script
            return None
        good = good and (self.path or parts.path in ("", "/")) and (self.query or "?" not in text)
        good = good and re.fullmatch(self.path_pattern, parts.path) is not None
        return parts if good and "#" not in text else None


_AUTHORITY: Final = re.compile(r"(?:[^\[\]]*@)?(?:\[[^\[\]]*:[^\[\]]*\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")
_FOR_HTTP: Final = ("http", "https")


def _is_authority(parts: SplitResult) -> bool:
    """Whether the host is a name or an address, which the client under the gateway can read as well. Raises
    ValueError."""
    host = parts.hostname or ""
    if ":" in host:
        ip_address(host)
    elif "xn--" in host:
        _read_idna(host)
    if "\\" in parts.netloc and parts.scheme in _FOR_HTTP:  # redis-py takes a password that has one
        return False
    return host != "" and _AUTHORITY.fullmatch(parts.netloc) is not None


def _read_idna(host: str) -> str | None:
    """The host as aiohttp reads it, by IDNA of 2008 or 2003. Raises ValueError."""
    from yarl import URL  # not needed by other configurations

    return URL.build(scheme="http", host=host).host


MEMORY: Final = "memory"
PUBLIC_URL: Final = UrlForm(("http", "https"), "https://twilio.example.com", path=True)
DOCS_URL: Final = UrlForm(("http", "https"), "https://docs.example.com/gateway/errors", path=True, query=True)
CONNECT_URL: Final = UrlForm(("http", "https"), "http://127.0.0.1:9101")
PROXY_URL: Final = UrlForm(("http",), "http://proxy.example.com:3128", by_reference=True)
JWKS_URL: Final = UrlForm(
    ("http", "https"), "https://issuer.example.com/.well-known/jwks.json", path=True, query=True
)
STORE: Final = UrlForm(
    ("redis", "rediss", "valkey", "valkeys"),
    "redis://127.0.0.1:6379/0",
    path=True,
    query=True,
    by_reference=True,
    word=MEMORY,
    path_pattern=r"(?:/(?:[0-9]{1,5})?)?",  # redis-py takes any other for database 0
)

Listen = Annotated[str, AfterValidator(_check_address)]
PublicUrl = Annotated[str, AfterValidator(PUBLIC_URL.check)]
DocsUrl = Annotated[str, AfterValidator(DOCS_URL.check)]
ConnectUrl = Annotated[str, AfterValidator(CONNECT_URL.check)]
ProxyUrl = Annotated[str, AfterValidator(PROXY_URL.check)]
JwksUrl = Annotated[str, AfterValidator(JWKS_URL.check)]
Store = Annotated[str, AfterValidator(STORE.check)]
