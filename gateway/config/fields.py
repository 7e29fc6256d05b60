"""The forms that values of the configuration take: names, SIDs, hosts, addresses, URLs, digests, rates.

Each says what it expects in its own words and never repeats what it was given. Knows nothing of where a value
stands.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def refuse(message: str, hint: str) -> NoReturn:
    """Refuse a value from inside a pydantic validator: `explain.py` prints both texts as they are."""
    # pydantic fills in {braces}, which our texts use for YAML: they travel in the context instead.
    raise PydanticCustomError("gateway", "refused", {"message": message, "hint": hint})


class Section(BaseModel):
    """What all sections have in common: unknown names are errors, values are final, errors never quote their
    input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a text must look like, as an annotation: one rule for validation, JSON Schema and resolved
    secrets."""

    pattern: str
    message: str
    hint: str

    def matches(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text) is not None

    def check(self, text: str) -> str:
        return text if self.matches(text) else refuse(self.message, self.hint)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}


_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"

NAME = Shape(
    r"[a-z0-9][a-z0-9._-]{0,63}",
    "not a name",
    "use up to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or digit",
)
ACCOUNT_SID = Shape(r"AC[0-9a-fA-F]{32}", "not an AccountSid", "it is AC and 32 hexadecimal digits")
KEY_SID = Shape(r"SK[0-9a-fA-F]{32}", "not the SID of an API key", "it is SK and 32 hexadecimal digits")
SERVICE_SID = Shape(
    r"MG[0-9a-fA-F]{32}", "not a messaging service's SID", "it is MG and 32 hexadecimal digits"
)
HOST = Shape(
    _HOST, "not a host name", "write it in lower case without scheme, port or path: hooks.example.com"
)
HOST_PATTERN = Shape(
    rf"(?:\*\.)?{_HOST}",
    "not a host name or pattern",
    "write hooks.example.com, or *.example.org for all beneath it",
)
LABEL = Shape(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "not a region's or edge's name", "write it as us1 or dublin"
)
RATE = Shape(r"[1-9][0-9]{0,8}/[smhd]", "not a rate", "write a whole number per s, m, h or d: 20/s, 600/m")
DESTINATION = Shape(
    r"\+[1-9][0-9]{0,14}|[A-Z]{2}",
    "neither a prefix nor a country",
    'write a prefix in quotes ("+1") or the two letters of ISO 3166 ("US")',
)
USER_NAME = Shape(
    r"[^\x00-\x20\x7f:]{1,128}",
    "not a user name of Basic authentication",
    "it has no colon, space or control character",
)
FILLED = Shape(
    r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*",
    "empty, or has a control character",
    "write some text, or nothing",
)

Name = Annotated[str, NAME]
AccountSid = Annotated[str, ACCOUNT_SID]
KeySid = Annotated[str, KEY_SID]
ServiceSid = Annotated[str, SERVICE_SID]
Host = Annotated[str, HOST]
HostPattern = Annotated[str, HOST_PATTERN]
Label = Annotated[str, LABEL]
Rate = Annotated[str, RATE]
Destination = Annotated[str, DESTINATION]
UserName = Annotated[str, USER_NAME]
Filled = Annotated[str, FILLED]


def _not_a_boolean(given: Any) -> Any:
    # pydantic takes True for 1 (https://docs.pydantic.dev/latest/concepts/conversion_table/).
    return refuse("must be a number", "write it in digits") if isinstance(given, bool) else given


NUMBER = BeforeValidator(_not_a_boolean)

Bytes = Annotated[int, Field(ge=1, le=1 << 40), NUMBER]
Count = Annotated[int, Field(ge=1, le=1_000_000_000), NUMBER]
Seconds = Annotated[float, Field(gt=0, le=86_400), NUMBER]
SecondsOrNone = Annotated[float, Field(ge=0, le=86_400), NUMBER]

DIGEST_PREFIX = "sha256:"
DIGEST = Shape(
    r"sha256:[0-9a-fA-F]{64}",
    "not the digest of a key",
    "run `gateway key new NAME` and write its sha256: line here, never the key itself",
)
_EMPTY_DIGEST = DIGEST_PREFIX + hashlib.sha256(b"").hexdigest()


def digest_of(key: str) -> str:
    """`sha256:` and the hexadecimal SHA-256 of the key's UTF-8 bytes, as it stands in the file (design
    4.2)."""
    return DIGEST_PREFIX + hashlib.sha256(key.encode()).hexdigest()


def why_no_digest(text: str) -> str:
    """Why this is no digest of a key; empty if it is one."""
    if not DIGEST.matches(text):
        return DIGEST.message
    return "the digest of an empty key" if text.lower() == _EMPTY_DIGEST else ""


def _check_digest(text: str) -> str:
    reason = why_no_digest(text)
    return refuse(reason, DIGEST.hint) if reason else text.lower()


Digest = Annotated[
    str, Field(json_schema_extra={"pattern": f"^{DIGEST.pattern}$"}), AfterValidator(_check_digest)
]


class Address(NamedTuple):
    """Where to listen. An IPv6 host is without brackets."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080`, `localhost:0`. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65_535:
        raise ValueError("not host:port")
    return Address(match[1] or match[2], int(match[3]))


def _check_address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError:
        refuse(
            "not host:port",
            'write 127.0.0.1:8080, 0.0.0.0:8080 for every interface, or "[::1]:8080" in quotes',
        )
    return text


Listen = Annotated[str, AfterValidator(_check_address)]


@dataclass(frozen=True, slots=True)
class UrlForm:
    """Which URLs a setting takes; the value comes back without a slash at its end."""

    schemes: tuple[str, ...]
    example: str
    path: bool = False
    query: bool = False
    by_reference: bool = False
    """A user and password are welcome, but only by `{env:}` or `{file:}`: in the file they would be a literal
    secret."""

    def check(self, text: str) -> str:
        """A URL that stands in the file. Used as a pydantic validator."""
        parts = self._split(text)
        if parts is None:
            refuse("not a URL that can be used here", f"write it like {self.example}")
        if parts.username is not None or parts.password is not None:
            hint = (
                "give the whole URL by {env: NAME} or {file: PATH}" if self.by_reference else "leave them out"
            )
            refuse("a user name or password must not stand in a URL here", hint)
        return text.rstrip("/")

    def matches(self, text: str) -> bool:
        """Whether a URL that came by reference can be used; it may hold a user and password."""
        return self._split(text) is not None

    def _split(self, text: str) -> SplitResult | None:
        if not re.fullmatch(r"[\x21-\x7e]+", text):  # urlsplit drops tabs and line breaks silently
            return None
        try:
            parts = urlsplit(text)
            good = parts.scheme in self.schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port out of range, a broken IPv6 address
            return None
        good = good and (self.path or parts.path in ("", "/")) and (self.query or "?" not in text)
        return parts if good and "#" not in text else None


PUBLIC_URL = UrlForm(("http", "https"), "https://twilio.example.com", path=True)
CONNECT_URL = UrlForm(("http", "https"), "http://127.0.0.1:9101")
PROXY_URL = UrlForm(("http",), "http://proxy.example.com:3128", by_reference=True)
STORE_URL = UrlForm(
    ("redis", "rediss", "valkey", "valkeys"),
    "redis://127.0.0.1:6379/0",
    path=True,
    query=True,
    by_reference=True,
)


def _check_store(text: str) -> str:
    if text == "memory" or "://" in text:
        return text if text == "memory" else STORE_URL.check(text)
    refuse("not a store", "write memory, or a URL like redis://127.0.0.1:6379/0")


PublicUrl = Annotated[str, AfterValidator(PUBLIC_URL.check)]
ConnectUrl = Annotated[str, AfterValidator(CONNECT_URL.check)]
ProxyUrl = Annotated[str, AfterValidator(PROXY_URL.check)]
StoreUrl = Annotated[str, AfterValidator(_check_store)]
