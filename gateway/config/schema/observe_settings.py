"""The file's `log:` and `tracing:`: what is said of exchanges, and in which form."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.schema import values
from gateway.config.schema.values import Section


class Log(Section):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important level that is written."
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` is colours on a terminal, else one JSON object per line."
    )
    schema_: Literal["plain", "ecs", "gcp"] = Field(
        default="plain",
        alias="schema",
        description="The names of the fields in JSON lines: our own, those of the Elastic Common Schema, or "
        "those that Google Cloud Logging knows (`docs/log-fields.md`).",
    )
    addresses: bool = Field(
        default=True,
        description="Whether callers' addresses are recorded: in the log, on the page, in traces. `false` "
        "also hides, on page, API and key list, those recorded before.",
    )
    sample_successes: Annotated[float, Field(ge=0, le=1), values.NUMBER] = Field(
        default=1,
        description="Which share of plain successes is written, from 0 to 1. Refusals, failures, hang-ups, "
        "retried exchanges and unknown outcomes always are.",
    )


class Tracing(Section):
    """OpenTelemetry traces. Exporter and sampling are chosen by the standard `OTEL_*` variables."""

    enabled: bool = Field(
        default=False,
        description="Whether spans are made and exported. Needs `pip install 'twilio-gateway[otel]'`.",
        json_schema_extra=values.RESTART,
    )
    send_upstream: bool = Field(
        default=False,
        description="Whether Twilio is sent a `traceparent` (with our span) and the caller's `tracestate`.",
        json_schema_extra=values.RESTART,
    )
