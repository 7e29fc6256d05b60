"""The file's `webhooks:`: the port that Twilio calls, what signs its calls, and which service each is for.

Owns the names beneath it. Checks across them are in `config/checking/webhook_checks.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.schema import addresses, values
from gateway.config.schema.secret_values import SecretRef
from gateway.config.schema.tls_settings import Tls
from gateway.config.schema.values import Section, TextPattern

MAX_TIMEOUT_SECONDS = 15
SHARED_KEY = TextPattern(
    r"[A-Za-z0-9_.-]{1,128}", "not the id of a SharedKey", "copy it from Twilio: webhooks_sharedkey_…"
)
ACCOUNT = TextPattern(
    r"[a-z0-9][a-z0-9._-]{0,63}|AC[0-9a-fA-F]{32}",
    "neither the name of a credential nor an AccountSid",
    "write a name of `credentials`, or the SID of one of its subaccounts",
)
ROUTE_PATH = TextPattern(
    r"/(?:[A-Za-z0-9\-._~!$&'()+,;=:@/]|%[0-9A-Fa-f]{2})*(?:(?<=/)\*\*)?",
    "not a path",
    "write /sms/orders, or /voice/orders/** for all beneath it",
)
TARGET = TextPattern(
    r"https?://(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?"
    r"(?:/(?:[A-Za-z0-9\-._~!$&'()+,;=:@/]|%[0-9A-Fa-f]{2})*(?:(?<=/)\*\*)?)?",
    "not the URL of a service",
    "write http://orders.internal:8000/twilio/sms, without user name, query and fragment",
)


class WebhookSecretSettings(Section):
    """What signs webhooks of an account: its Auth Token, or a SharedKey. Several are good at once."""

    account: Annotated[str, ACCOUNT] = Field(
        description="The credential whose account signs, or the SID of one of its subaccounts."
    )
    auth_token: SecretRef | None = Field(default=None, description="The account's Auth Token, by reference.")
    shared_key: Annotated[str, SHARED_KEY] | None = Field(
        default=None, description="The id of a SharedKey, `webhooks_sharedkey_…`; needs `secret`."
    )
    secret: SecretRef | None = Field(default=None, description="The SharedKey's secret, by reference.")
    algorithm: Literal["HMAC_SHA1", "HMAC_SHA256"] | None = Field(
        default=None,
        description="The weakest algorithm that is accepted: HMAC_SHA1 for an Auth Token, HMAC_SHA256 for a "
        "SharedKey, unless set.",
    )


class WebhookRouteSettings(Section):
    """A path that Twilio calls, and the service that it is for. The first route that fits is taken."""

    path: Annotated[str, ROUTE_PATH] = Field(
        description="The path, byte for byte; `/**` at its end takes all that is beneath."
    )
    account: Annotated[str, ACCOUNT] = Field(
        description="The credential whose account signs, or the SID of one of its subaccounts."
    )
    to: Annotated[str, TARGET] = Field(
        description="The service's URL; with `/**` at its end, as `path` has it, what is beneath goes along."
    )
    sign_with: SecretRef = Field(
        description="The secret, by reference, that the service's validator has in place of the Auth Token."
    )
    timeout: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS), values.NUMBER] = Field(
        default=10,
        description="How long the service may take, all tries to connect together. Twilio waits 15 s.",
    )
    fallback: values.Filled | None = Field(
        default=None,
        description="TwiML that is answered with 200 when the service cannot answer; without it Twilio gets "
        "502, and uses its own fallback URL.",
    )
    mode: Literal["enforce", "report"] = Field(
        default="enforce",
        description="`report` relays, and counts, what verification would have refused: for a migration.",
    )
    max_body: values.Bytes = Field(default=1_048_576, description="Largest body (bytes).")
    rate: values.Rate | None = Field(
        default=None,
        description="Most verified events, such as `50/s`, of all replicas that share the `store`; more get "
        "429.",
    )
    burst: values.Count | None = Field(
        default=None, description="How many may come at once; by default what `rate` admits in a second."
    )
    concurrency: values.Count = Field(
        default=100, description="Most events under way in one process; one more gets 503."
    )


class Webhooks(Section):
    """What Twilio calls: a port of its own that faces the Internet. `gateway serve --only webhooks` serves
    nothing else, and reads no API key."""

    listen: addresses.Listen = Field(
        description="`host:port` for Twilio; port 0 takes a free one.", json_schema_extra=values.RESTART
    )
    public_url: addresses.PublicUrl = Field(
        description="What Twilio calls, as written in its URLs; signatures are checked against it. May have "
        "a path, which a load balancer in front takes off."
    )
    tls: Tls | None = Field(
        default=None,
        description="TLS on `webhooks.listen`; plain HTTP without it, for a load balancer in front.",
        json_schema_extra=values.RESTART,
    )
    secrets: tuple[WebhookSecretSettings, ...] = Field(
        default=(), description="What signs: all of an account's are tried, so that one can be rotated."
    )
    routes: tuple[WebhookRouteSettings, ...] = Field(
        default=(), description="Paths and their services; any other path is 404."
    )
    ca_file: values.Filled | None = Field(
        default=None,
        description="Certificates to trust (PEM) instead of the system's, for services with `https`.",
    )
    connections: values.Count = Field(
        default=2000, description="Most connections at the same time; one more is answered 503."
    )
    connections_per_address: values.Count = Field(
        default=1000,
        description="Most connections from one source address (IPv6: from one /64). Behind a load balancer "
        "that is the balancer's.",
    )
    header_bytes: Annotated[int, Field(ge=1024, le=1 << 20), values.NUMBER] = Field(
        default=16_384, description="Longest request line, and longest header field."
    )
    idle_seconds: values.Seconds = Field(default=75, description="How long an idle connection is kept.")
    head_seconds: values.Seconds = Field(
        default=5, description="How long a request's head may take, from its first byte."
    )
    body_seconds: values.Seconds = Field(
        default=5, description="Longest wait for the next bytes of a body; all of it has a route's `timeout`."
    )
