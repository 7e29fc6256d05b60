"""The file's `repeat_guard:`: creates without an Idempotency-Key that come again."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.schema import values
from gateway.config.schema.values import Section

GuardedRoute = Annotated[
    str,
    values.TextPattern(
        r"[a-z][a-z0-9-]* /[A-Za-z0-9_{}/-]+",
        "not a product and a path template",
        "write it like: verify /v2/Services/{ServiceSid}/Verifications",
    ),
]
GuardSeconds = Annotated[float, Field(ge=0, le=3600), values.NUMBER]


class RepeatGuardSettings(Section):
    """How a POST that creates something is kept from happening twice when a client sends it again."""

    mode: Literal["enforce", "report"] = Field(
        default="enforce", description="`report` counts what would have been held, and holds nothing."
    )
    store: Literal["shared", "local"] | None = Field(
        default=None,
        description="Where creates are remembered: `shared` by all replicas, in Redis, or `local`, in "
        "this process alone. The default is `shared` if there is a Redis (`store`), else `local`.",
        json_schema_extra=values.RESTART,
    )
    seconds: GuardSeconds = Field(
        default=300,
        description="How long an unknown outcome is remembered since it was last given to a caller. "
        "0 switches the guard off, but for `routes`.",
    )
    routes: Mapping[GuardedRoute, GuardSeconds] = Field(
        default_factory=dict,
        description="Other seconds for single routes, as `PRODUCT /path/{Template}`; 0 leaves one out. "
        "Routes that create something are guarded by default (30 s on Verify's verifications).",
        json_schema_extra={"additionalProperties": {"type": "number"}},
    )
    after_absent: Literal["send", "hold"] = Field(
        default="send",
        description="What happens to a repeat once Twilio was asked and has no trace of the first: `send` "
        "sends it, `hold` answers 502 until `seconds` are over. Matters only where `repeat_guard.ask` of the "
        "credential is set.",
    )
    resend_absent: bool = Field(
        default=False,
        description="Whether the gateway itself sends a request again, once, after Twilio was asked and has "
        "no trace of it, while its caller still waits.",
    )
    max_entries: values.Count = Field(
        default=100_000,
        description="Creates remembered in memory. If only open ones are left, further creates get 503.",
    )
