"""The configuration file: every name that may stand in it, its form, default and meaning.

Here are the top level and the sections of the gateway itself; the files beside it have the others. The
descriptions are the reference: `docs/configuration.md` and the JSON Schema are made of them. Checks across
settings are in `config/checking/`, reading is in `config/loading/`. Must not read a file, variable or clock.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.config.schema import addresses, values
from gateway.config.schema.account_settings import CredentialSettings
from gateway.config.schema.admin_settings import Admin
from gateway.config.schema.audit_settings import Audit
from gateway.config.schema.ca_settings import CaSettings
from gateway.config.schema.caller_settings import Callers
from gateway.config.schema.consumer_settings import ConsumerSettings, ConsumerTemplate
from gateway.config.schema.identity_settings import IssuerSettings
from gateway.config.schema.observe_settings import Log, Tracing
from gateway.config.schema.repeat_guard_settings import RepeatGuardSettings
from gateway.config.schema.secret_store_settings import SecretStores
from gateway.config.schema.secret_values import OrReference, SecretRef
from gateway.config.schema.tls_settings import Tls
from gateway.config.schema.upstream_settings import Upstream
from gateway.config.schema.values import Section
from gateway.config.schema.webhook_settings import Webhooks


class Retry(Section):
    """What is tried again, beyond what is always safe."""

    max_attempts: Annotated[int, Field(ge=1, le=10), values.NUMBER] = Field(
        default=4, description="Attempts of one request at most, the first included; 1 means no retries."
    )
    initial_backoff_seconds: values.Seconds = Field(
        default=0.1,
        description="The longest wait before the first retry (full jitter); it doubles with each retry.",
    )
    max_backoff_seconds: values.Seconds = Field(default=5, description="The longest wait before any retry.")
    budget_percent: Annotated[float, Field(ge=0, le=100), values.NUMBER] = Field(
        default=20,
        description="Retries allowed per 100 requests of the last ten seconds (at least 3).",
    )


class ConcurrencySettings(Section):
    """The learned concurrency limit of an account, and the queue in front of it."""

    floor: values.Count = Field(default=1, description="The lowest limit.")
    ceiling: values.Count = Field(default=1000, description="The highest limit.")
    initial: values.Count = Field(default=10, description="The limit at the start.")
    queue: values.Count = Field(
        default=1000, description="Most requests that wait for one account, region and product."
    )


class IdempotencySettings(Section):
    """How a POST with an `Idempotency-Key` is remembered, so that it is sent once."""

    ttl_seconds: Annotated[float, Field(ge=60, le=604_800), values.NUMBER] = Field(
        default=86_400, description="How long a request and its answer are remembered."
    )
    max_bytes: values.Bytes = Field(
        default=67_108_864,
        description="Memory for answers. Above it the oldest is dropped; a repeat is then 409, not sent.",
    )
    max_entries: values.Count = Field(
        default=100_000,
        description="Requests remembered in memory. Above it the oldest finished one is forgotten: allow for "
        "all of `ttl_seconds`, or use Redis (with `maxmemory-policy noeviction`).",
    )


class Settings(BaseSettings):
    """The whole file. Built by `load.load_settings` only: built bare, it reads nothing."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, case_sensitive=True
    )

    listen: addresses.Listen = Field(
        default="127.0.0.1:8080",
        description="`host:port` for callers; port 0 takes a free one.",
        json_schema_extra=values.RESTART,
    )
    reuse_port: bool = Field(
        default=False,
        description="Lets several replicas on one machine share the port.",
        json_schema_extra=values.RESTART,
    )
    tls: Tls | None = Field(
        default=None,
        description="TLS on `listen`; plain HTTP without it. Turning it on or off takes a restart, its files "
        "do not.",
        json_schema_extra=values.RESTART,
    )
    ca: CaSettings | None = Field(
        default=None,
        description="The CA of tunnels and of `tls.mint`; without it, CONNECT is answered 501.",
    )
    public_url: addresses.PublicUrl | None = Field(
        default=None,
        description="What callers see if a load balancer stands in front. May have a path, no query.",
    )
    docs_url: addresses.DocsUrl | None = Field(
        default=None,
        description="Where callers find `docs/errors.md` as a page. `more_info` of the gateway's own errors "
        "is this, `#` and the slug; without it `more_info` names the file.",
    )
    contact: values.Contact | None = Field(
        default=None,
        description="Whom callers should contact: a name, address or channel. It ends the messages of the "
        "gateway's own errors.",
    )
    store: OrReference[addresses.Store] = Field(
        default=addresses.MEMORY,
        description="What replicas share: `memory` (nothing) or `redis://host:6379/0`.",
        json_schema_extra=values.RESTART,
    )
    store_prefix: values.Name = Field(
        default="gateway",
        description="The prefix of every key in Redis. Deployments that share a Redis need different ones, "
        "replicas of one deployment the same.",
        json_schema_extra=values.RESTART,
    )
    store_key: SecretRef | None = Field(
        default=None,
        description="32 bytes in base64, by reference, the same for all replicas. Encrypts recipients in "
        "Redis, so that another replica can ask Twilio about the messages of one that was killed "
        "(`credentials.NAME.repeat_guard.ask`). Needs `pip install 'twilio-gateway[cryptography]'`.",
    )
    stop_file: values.Filled | None = Field(
        default=None,
        description="A file in which stops (`gateway stop`) are kept beside Redis, from the folder of the "
        "configuration, so that a replica starts with them.",
        json_schema_extra=values.RESTART,
    )
    key_usage_file: values.Filled | None = Field(
        default=None,
        description="A file in which first and last use of consumers' keys are kept without Redis, from the "
        "folder of the configuration; without both they begin again at each start. One a replica.",
        json_schema_extra=values.RESTART,
    )
    on_store_failure: Literal["local", "refuse"] = Field(
        default="local",
        description="While Redis is unavailable: `local` counts in each replica alone, `refuse` answers 503.",
    )
    drain_seconds: values.SecondsOrNone = Field(
        default=60, description="How long requests in flight may take to finish during shutdown."
    )
    admin: Admin = Field(default_factory=Admin)
    log: Log = Field(default_factory=Log)
    tracing: Tracing = Field(default_factory=Tracing)
    audit: Audit | None = Field(
        default=None,
        description="The audit trail; none without it.",
        json_schema_extra=values.RESTART,
    )
    callers: Callers = Field(default_factory=Callers)
    upstream: Upstream = Field(default_factory=Upstream)
    include: values.Filled | tuple[values.Filled, ...] = Field(
        default=(),
        description="Files, or globs like `consumers.d/*.yaml`, with further `consumers`, `groups` and "
        "`credentials`. Paths in them start at the folder of this file.",
    )
    defaults: ConsumerTemplate | None = Field(
        default=None, description="What consumers have unless they or their groups say otherwise."
    )
    groups: Mapping[values.Name, ConsumerTemplate] = Field(
        default_factory=dict,
        description="Settings that several consumers share, by the name that they have in `groups`.",
        json_schema_extra={"additionalProperties": False},
    )
    credentials: Mapping[values.Name, CredentialSettings] = Field(
        min_length=1,
        description="Twilio accounts, by name.",
        json_schema_extra={"additionalProperties": False},
    )
    consumers: Mapping[values.Name, ConsumerSettings] = Field(
        default_factory=dict,
        validate_default=False,
        min_length=1,
        description="Internal services, by name, which is also their user name. At least one, unless "
        "there is nothing but `webhooks`.",
        json_schema_extra={"additionalProperties": False},
    )
    jwt: tuple[IssuerSettings, ...] = Field(
        default=(), description="Issuers of JWTs by which consumers may be known instead of keys."
    )
    retry: Retry = Field(default_factory=Retry)
    concurrency: ConcurrencySettings = Field(default_factory=ConcurrencySettings)
    idempotency: IdempotencySettings = Field(default_factory=IdempotencySettings)
    repeat_guard: RepeatGuardSettings = Field(default_factory=RepeatGuardSettings)
    secret_stores: SecretStores = Field(default_factory=SecretStores)
    webhooks: Webhooks | None = Field(
        default=None,
        description="The port that Twilio calls, if there is one: docs/webhooks.md.",
        json_schema_extra=values.RESTART,
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the source that `load.py` gives: by default, a variable named LISTEN would be read as well."""
        return (init_settings,)
