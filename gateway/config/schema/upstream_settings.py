"""The file's `upstream:`: how Twilio is reached. Owns the names beneath it."""

from typing import Annotated

from pydantic import Field

from gateway.config.schema import addresses, values
from gateway.config.schema.client_timeouts import CLIENT_TIMEOUTS, ClientTimeouts
from gateway.config.schema.secret_values import OrReference
from gateway.config.schema.values import Section


class Upstream(Section):
    """How Twilio is reached."""

    connect_to: addresses.ConnectUrl | None = Field(
        default=None,
        description="Reach every Twilio host at this `http(s)://host:port`: for tests and the simulator.",
    )
    proxy: OrReference[addresses.ProxyUrl] | None = Field(
        default=None,
        description="An egress proxy, `http://host:port`. If it has a password: by `{env:}` or `{file:}`.",
    )
    ca_file: values.Filled | None = Field(
        default=None,
        description="Certificates to trust (PEM) instead of the system's, for a proxy that re-signs.",
    )
    nameservers: tuple[values.NameServer, ...] = Field(
        default=(),
        description="Resolvers (`10.0.0.2`, `10.0.0.2:5353`) that are asked for Twilio's addresses "
        "instead of the system's and its hosts file: where those lead Twilio's names to the gateway. Needs "
        "the `dns` extra.",
    )
    extra_hosts: tuple[values.Host, ...] = Field(
        default=(),
        description="Further host names, without wildcards, that may be reached beside those of Twilio's "
        "catalogue.",
    )
    request_fields: tuple[values.FieldName, ...] = Field(
        default=(),
        description="Header fields of requests that go to Twilio besides those it knows (listed in "
        "`docs/security.md`). All others are dropped and counted.",
    )
    connections: Annotated[int, Field(ge=1, le=100_000), values.NUMBER] = Field(
        default=1000, description="Most connections to Twilio at the same time."
    )
    connect_seconds: values.Seconds = Field(
        default=5, description="Longest wait for a connection, TLS included."
    )
    deadline_seconds: values.Seconds = Field(
        default=25,
        description="Longest time to the head of an answer (to the end of one that must be read before it is "
        "passed on), all waiting and all attempts together, for clients whose own time-out is not known.",
    )
    deadline_seconds_max: values.Seconds = Field(
        default=55,
        description="The most that a client's own time-out or `Gateway-Timeout` may raise it to. By itself "
        "it is never above `drain_seconds`.",
    )
    client_timeout_seconds: ClientTimeouts = Field(
        default=CLIENT_TIMEOUTS,
        description="After how long a client gives up, by the name that begins its User-Agent; 0 if it never "
        "does. It is answered a second earlier, instead of after `deadline_seconds`. Names that are left out "
        "keep their default; others may be added.",
    )
    idle_seconds: values.Seconds = Field(
        default=10, description="Longest silence while an answer's body arrives."
    )
