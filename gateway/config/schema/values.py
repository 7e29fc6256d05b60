"""The forms that values of the configuration take: names, SIDs, hosts, numbers, rates, digests.

Each says what it expects in its own words and never repeats what it was given. Knows nothing of where a value
stands.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Final, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.identity.authentication import digest_of


def refuse(message: str, hint: str) -> NoReturn:
    """Refuse a value from inside a pydantic validator: `explain.py` prints both texts as they are."""
    # pydantic fills in {braces}, which our texts use for YAML: they travel in the context instead.
    raise PydanticCustomError("gateway", "refused", {"message": message, "hint": hint})


RESTART: Final[dict[str, Any]] = {"restart": True}
"""`json_schema_extra` of a setting that a reload cannot apply: it waits for a restart."""


def waits_for_restart(field: FieldInfo) -> bool:
    """Whether a reload leaves this setting as it was at the start."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("restart") is True


class Section(BaseModel):
    """What all sections have in common: no unknown names, final values, errors that quote no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class TextPattern:
    """What a text must look like: one rule for validation, the JSON Schema, and resolved references."""

    pattern: str
    message: str
    hint: str

    def matches(self, text: str) -> bool:
        # Half a character ("\ud800" in YAML, a stray byte in a variable) can be neither sent nor printed.
        return re.fullmatch(self.pattern, text) is not None and not re.search(r"[\ud800-\udfff]", text)

    def check(self, text: str) -> str:
        return text if self.matches(text) else refuse(self.message, self.hint)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}


_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"

NAME = TextPattern(
    r"[a-z0-9][a-z0-9._-]{0,63}",
    "not a name",
    "use up to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or digit",
)
CONTACT = TextPattern(
    r"[^\x00-\x1f\x7f]{1,200}",
    "not a contact",
    "write up to 200 characters in one line, such as a name or an address",
)
ACCOUNT_SID = TextPattern(r"AC[0-9a-fA-F]{32}", "not an AccountSid", "it is AC and 32 hexadecimal digits")
KEY_SID = TextPattern(r"SK[0-9a-fA-F]{32}", "not the SID of an API key", "it is SK and 32 hexadecimal digits")
SERVICE_SID = TextPattern(
    r"MG[0-9a-fA-F]{32}", "not a messaging service's SID", "it is MG and 32 hexadecimal digits"
)
APPLICATION_SID = TextPattern(
    r"[A-Z]{2}[0-9a-fA-F]{32}", "not a SID", "it is two capitals (AP, FW …) and 32 hexadecimal digits"
)
FIELD_NAME = TextPattern(
    r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,64}",
    "not the name of a header field",
    "write it as in X-Any, without colon",
)
HOST = TextPattern(
    _HOST, "not a host name", "write it in lower case without scheme, port or path: hooks.example.com"
)
HOST_PATTERN = TextPattern(
    rf"(?:\*\.)?{_HOST}",
    "not a host name or pattern",
    "write hooks.example.com, or *.example.org for all beneath it",
)
STORE_KEY = TextPattern(
    r"[A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048]=?",
    "not a key of 32 bytes in base64",
    "make one with: openssl rand -base64 32",
)
LABEL = TextPattern(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "not a region's or edge's name", "write it as us1 or dublin"
)
NAME_SERVER = TextPattern(
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?|[0-9a-f:]*:[0-9a-f:]+|\[[0-9a-f:]+\](?::[0-9]{1,5})?",
    "not the address of a name server",
    "write an IP address, with a port if it is not 53: 10.0.0.2 or 10.0.0.2:5353",
)
RATE = TextPattern(
    r"[1-9][0-9]{0,8}/[smhd]", "not a rate", "write a whole number per s, m, h or d: 20/s, 600/m"
)
DESTINATION = TextPattern(
    r"\+[1-9][0-9]{0,14}|[A-Z]{2}",
    "neither a prefix nor a country",
    'write a prefix in quotes ("+1") or the two letters of ISO 3166 ("US")',
)
USER_NAME = TextPattern(
    r"[^\x00-\x20\x7f:]{1,128}",
    "not a user name of Basic authentication",
    "it has no colon, space or control character",
)
FILLED = TextPattern(
    r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*",
    "empty, or has a control character",
    "write some text, or nothing",
)


def _check_name_server(text: str) -> str:
    """An address that is one: the pattern takes any four numbers, and any port."""
    host, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", port)
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        refuse(NAME_SERVER.message, NAME_SERVER.hint)
    return text if 0 < int(port) <= 65_535 else refuse(NAME_SERVER.message, NAME_SERVER.hint)


Name = Annotated[str, NAME]
Contact = Annotated[str, CONTACT]
AccountSid = Annotated[str, ACCOUNT_SID]
KeySid = Annotated[str, KEY_SID]
ServiceSid = Annotated[str, SERVICE_SID]
ApplicationSid = Annotated[str, APPLICATION_SID]
NameServer = Annotated[str, NAME_SERVER, AfterValidator(_check_name_server)]
Host = Annotated[str, HOST]
FieldName = Annotated[str, FIELD_NAME]
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
DIGEST = TextPattern(
    r"sha256:[0-9a-fA-F]{64}",
    "not the digest of a key",
    "run `gateway key new NAME` and write its sha256: line here, never the key itself",
)
_EMPTY_DIGEST = DIGEST_PREFIX + digest_of(b"")


def digest_line(key: str) -> str:
    """`sha256:` and the digest of the key's UTF-8 bytes, as it is written in the file."""
    return DIGEST_PREFIX + digest_of(key.encode())


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
