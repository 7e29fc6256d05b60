"""The `callers` section: what a caller may take of the gateway before anything is known of it."""

from typing import Annotated

from pydantic import Field

from gateway.config.schema import values
from gateway.config.schema.values import Section


class Callers(Section):
    """Limits on every caller, enforced before authentication."""

    header_bytes: Annotated[int, Field(ge=1024, le=1 << 20), values.NUMBER] = Field(
        default=65_536, description="Longest request line, and longest header field."
    )
    headers_max: Annotated[int, Field(ge=8, le=10_000), values.NUMBER] = Field(
        default=128, description="Most header fields of a request."
    )
    body_bytes: values.Bytes = Field(
        default=1_048_576, description="Largest body that is read before it is sent on."
    )
    stream_bytes: values.Bytes = Field(
        default=524_288_000, description="Largest body on the upload routes, which is streamed."
    )
    buffered_bytes: values.Bytes = Field(
        default=134_217_728,
        description="Most bytes of bodies that are held for all callers together: of those read before they "
        "are sent on, and of answers that callers leave unread. Beyond that requests are answered 503. "
        "Twice as much memory may be taken, beside that of the process at rest.",
    )
    connections: values.Count = Field(
        default=10_000, description="Most connections at the same time; one more is answered 503."
    )
    connections_per_address: values.Count = Field(
        default=8_000,
        description="Most connections from one source address (IPv6: from one /64). Behind a load balancer "
        "that is the balancer's.",
    )
    streams: values.Count = Field(
        default=100,
        description="Most answers that are streamed to one consumer at the same time; one more GET is "
        "answered 429. Less than `upstream.connections`, of which each holds one.",
    )
    idle_seconds: values.Seconds = Field(default=75, description="How long an idle connection is kept.")
    head_seconds: values.Seconds = Field(
        default=10, description="How long a request's head may take, from its first byte."
    )
    body_seconds: values.Seconds = Field(
        default=30, description="Longest wait for the next bytes of a request's body."
    )
    body_total_seconds: values.Seconds = Field(
        default=120, description="How long a body may take that is read before it is sent on."
    )
    write_seconds: values.Seconds = Field(
        default=30,
        description="Longest time that a caller may leave 80 KiB of its answer unread; then it is cut off.",
    )
