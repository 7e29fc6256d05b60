"""The file's `consumers:`: the services that call us, their keys, and what each may do.

Owns the names beneath `consumers.<name>`, and their forms. The meaning of rules and limits is policy's.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gateway.config.problems import looks_like_a_secret
from gateway.config.schema import values
from gateway.config.schema.identity_settings import ConsumerCertificate, ConsumerToken
from gateway.config.schema.secret_values import (
    MAPPING,
    REFERENCE,
    TEXT,
    SecretRef,
    exactly_one,
    form_of,
    in_words,
)
from gateway.config.schema.values import Section

Mode = Literal["enforce", "report"]

_PLACES: Final = tuple(SecretRef.model_fields)
_KEY_HINT: Final = (
    "run `gateway key new NAME`, then write its sha256: line, or {digest: …, expires: …}, or {env: NAME}"
)


class ConsumerKey(Section):
    """A consumer's key that ends at a date, or whose digest is stored elsewhere. Holds one of `digest`,
    `env`, `file`, `vault`, `aws`, `gcp`, each of which gives the `sha256:` line, never the key."""

    digest: values.Digest | None = Field(
        default=None, description="`sha256:` and 64 hexadecimal digits, as `gateway key new` prints it."
    )
    reference: SecretRef | None = Field(default=None, alias=REFERENCE)
    expires: AwareDatetime | None = Field(
        default=None, description="When the key ends, with a time zone: `2027-01-01T00:00:00Z`."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, given: Any) -> Any:
        """Judged before the fields, because an unknown *name* in their errors could be the key itself. The
        reference is taken out of the names beside it."""
        if not exactly_one(given, frozenset({"digest", *_PLACES}), besides=frozenset({"expires"})):
            names = in_words(("digest", *_PLACES))
            values.refuse(f"must be a sha256: line, or hold one of {names}", _KEY_HINT)
        place = {name: given[name] for name in _PLACES if name in given}
        if any(looks_like_a_secret(text) for text in place.values()):
            values.refuse("this looks like a key itself, not like the name of its digest's place", _KEY_HINT)
        rest = {name: value for name, value in given.items() if name not in place}
        return {**rest, REFERENCE: place} if place else rest

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As it is written: the reference's names stand beside the others."""
        json_schema = handler(schema)
        described = handler.resolve_ref_schema(json_schema)
        places = SecretRef.model_json_schema()["properties"]
        own = {name: value for name, value in described["properties"].items() if name != REFERENCE}
        described["properties"] = {"digest": own.pop("digest"), **places, **own}
        return json_schema


ConsumerKeyEntry = Annotated[
    Annotated[values.Digest, Tag(TEXT)] | Annotated[ConsumerKey, Tag(MAPPING)], Discriminator(form_of)
]


class FormSettings(Section):
    """What a consumer may write into the body of a request. A rule that is left out allows all, an empty list
    nothing."""

    from_: tuple[values.Filled, ...] | None = Field(
        default=None,
        alias="from",
        description="Senders (`From`, `CallerId` …): numbers, sender names, `whatsapp:` addresses.",
    )
    messaging_services: tuple[values.ServiceSid, ...] | None = Field(
        default=None, description="Messaging services (`MessagingServiceSid`), `MG…`."
    )
    to: tuple[values.Destination, ...] | None = Field(
        default=None, description='Recipients (`To` …): prefixes like `"+1"`, or countries like `"US"`.'
    )
    callback_hosts: tuple[values.HostPattern, ...] | None = Field(
        default=None,
        description='Hosts of callback URLs and of TwiML (`Url`): `hooks.example.com`, `"*.example.org"`.',
    )
    applications: tuple[values.ApplicationSid, ...] | None = Field(
        default=None,
        description="SIDs of applications (`AP…`), Studio flows (`FW…`), event sinks (`DG…`) and trunks "
        "(`TK…`, `BY…`) that may be named. If left out, none may be named beside another rule, because "
        "they act "
        "by settings of their own.",
    )
    unknown_parameters: Literal["refuse", "report"] = Field(
        default="refuse",
        description="What happens to a parameter that Twilio's catalogue does not have, so that its "
        "effect is unknown. `report` counts it and lets it pass.",
    )


class LimitSettings(Section):
    """A rate that is not to be exceeded."""

    name: values.Name | None = Field(
        default=None,
        description="What the limit is called in answers, log and page; by default its number in the list. "
        "Limits of the same rate with different names are counted apart.",
    )
    rate: values.Rate = Field(
        description="Requests per second, minute, hour or day: `20/s`, `600/m`, `1000/h`, `5/d`."
    )
    burst: values.Count | None = Field(
        default=None, description="How many may come at once; by default the number in `rate`."
    )
    per: Literal["consumer", "destination", "account"] = Field(
        default="consumer", description="What is counted."
    )
    route: values.Filled | None = Field(
        default=None,
        description="Only requests that this rule allows, in the syntax of `allow`; by default all.",
    )
    max_wait_seconds: values.SecondsOrNone = Field(
        default=0, description="How long a request may wait for its turn before it is refused."
    )
    weight: values.Count = Field(default=1, description="How much one request counts.")
    mode: Mode = Field(
        default="enforce", description="`report` counts what would have been refused and lets it through."
    )

    @property
    def count(self) -> int:
        """The number in `rate`."""
        return int(self.rate.partition("/")[0])

    @property
    def period_seconds(self) -> int:
        """The unit of `rate`."""
        return {"s": 1, "m": 60, "h": 3600, "d": 86_400}[self.rate.partition("/")[2]]

    @property
    def largest_burst(self) -> int:
        """`burst`, or its default."""
        return self.count if self.burst is None else self.burst


class ConsumerTemplate(Section):
    """What consumers have in common: `defaults` are of all of them, a group's of those that name it."""

    credential: values.Name | None = Field(
        default=None, description="The name of the credential that requests are sent with."
    )
    allow: tuple[values.Filled, ...] = Field(
        default=(),
        description="What consumers may call: named sets (`messages:send`) and rules "
        "(`GET api /2010-04-01/Accounts/{AccountSid}/**`). Adds up with what a consumer and its groups have.",
    )
    form: FormSettings | None = Field(
        default=None, description="What they may write into a request's form; taken name by name."
    )
    mode: Mode = Field(
        default="enforce",
        description="`report` lets through and counts what `allow` and `form` would have refused.",
    )
    emit: Literal["native", "post"] = Field(
        default="native",
        description="How PUT and DELETE go to Twilio: as they are, or as `POST ?_method=` (`api` only).",
    )
    legacy: bool = Field(default=False, description="Whether `X-HTTP-Method-Override` is honoured.")
    convert: bool = Field(
        default=False,
        description="Whether flat JSON, and forms in other character sets, are converted to UTF-8 forms.",
    )
    priority: Literal["high", "normal", "low"] = Field(
        default="normal", description="Their class where requests wait for Twilio."
    )
    limits: tuple[LimitSettings, ...] = Field(
        default=(),
        description="Rates that each of them must not exceed, counted for each consumer apart; all hold. A "
        "consumer's own limit replaces one of the same `name`.",
    )


class ConsumerSettings(ConsumerTemplate):
    """An internal service that calls the gateway. Needs `keys`, `certificates` or `jwt` to be known by."""

    keys: tuple[ConsumerKeyEntry, ...] = Field(
        default=(), description="Digests of its keys; several, so that a key can be replaced without a gap."
    )
    certificates: tuple[ConsumerCertificate, ...] = Field(
        default=(), description="Names in client certificates, each of which stands for it (see `tls`)."
    )
    jwt: tuple[ConsumerToken, ...] = Field(
        default=(), description="Claims of JWTs, each entry of which stands for it (see `jwt`)."
    )
    expires: AwareDatetime | None = Field(
        default=None,
        description="When all its keys end that do not end before: `2027-01-01T00:00:00Z`.",
    )
    shared: bool = Field(
        default=False,
        description="Whether several services call with its keys, as with the token they shared before. "
        "User-Agent and address tell these apart in metrics and log; no rule or limit depends on them.",
    )
    usernames: tuple[values.UserName, ...] = Field(
        default=(), description="Further user names for Basic authentication, such as a burnt-in AccountSid."
    )
    groups: tuple[values.Name, ...] = Field(
        default=(),
        description="Groups whose settings it has as well. Its own come first, then those of the groups in "
        "this order, then `defaults`; `allow` and `limits` add up.",
    )
    credential: values.Name = Field(description="The name of the credential its requests are sent with.")
    allow: tuple[values.Filled, ...] = Field(
        default=(),
        description="What it may call: named sets (`messages:send`) and rules "
        "(`GET api /2010-04-01/Accounts/{AccountSid}/**`). Nothing, if empty.",
    )
    form: FormSettings | None = Field(default=None, description="What it may write into a request's form.")
    priority: Literal["high", "normal", "low"] = Field(
        default="normal", description="Its class where requests wait for Twilio."
    )
    limits: tuple[LimitSettings, ...] = Field(
        default=(), description="Rates that it must not exceed; all of them hold."
    )
