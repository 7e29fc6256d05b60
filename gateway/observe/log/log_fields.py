"""The catalogue of what a log line may hold: meaning, sensitivity, and the names that collectors expect.

ECS is the Elastic Common Schema (https://www.elastic.co/docs/reference/ecs), GCP what Google Cloud Logging
knows (https://cloud.google.com/logging/docs/structured-logging). docs/log-fields.md is made from this.
"""

from typing import Final, NamedTuple

NAMESPACE: Final = "twilio_gateway"
"""Where ECS has what is our own."""
TRACE: Final = "logging.googleapis.com/trace"
SPAN: Final = "logging.googleapis.com/spanId"
LABELS: Final = "logging.googleapis.com/labels"


class LogField(NamedTuple):
    """One field. `sensitivity` is 'none', 'personal' (may identify a person) or 'account' (names something of
    the Twilio account). `ecs` and `gcp` are paths, '' for the usual place."""

    name: str
    kind: str
    meaning: str
    sensitivity: str = "none"
    ecs: str = ""
    gcp: str = ""

    @property
    def ecs_path(self) -> str:
        """Its place in a line with `log.schema: ecs`."""
        return self.ecs or f"{NAMESPACE}.{self.name}"

    @property
    def gcp_path(self) -> str:
        """Its place in a line with `log.schema: gcp`."""
        return self.gcp or self.name


_F = LogField
EVERY_LINE: Final = (
    _F("event", "text", "what happened: `exchange`, `webhook`, `serving`, …", ecs="message", gcp="message"),
    _F("level", "text", "debug, info, warning or error", ecs="log.level", gcp="severity"),
    _F("timestamp", "time", "when the line was written, RFC 3339 in UTC", ecs="@timestamp", gcp="time"),
)
EXCHANGE: Final = (
    _F("request_id", "text", "the request's id, as in X-Request-Id", ecs="http.request.id"),
    _F("consumer", "text", "whose key, certificate or JWT it was; empty: unknown", ecs="user.name",
       gcp=f"{LABELS}.consumer"),
    _F("sdk", "text", "the client library and its version, from User-Agent", ecs="user_agent.name",
       gcp="httpRequest.userAgent"),
    _F("method", "text", "the effective method", ecs="http.request.method", gcp="httpRequest.requestMethod"),
    _F("product", "text", "Twilio's product: the first label of its host"),
    _F("route", "text", "the template of the path; never the path itself", ecs="url.path",
       gcp="httpRequest.requestUrl"),
    _F("status", "number", "of the answer; 0: the caller left before there was one",
       ecs="http.response.status_code", gcp="httpRequest.status"),
    _F("seconds", "seconds", "from the first byte of the request to the last of its answer",
       ecs="event.duration", gcp="httpRequest.latency"),
    _F("upstream_seconds", "seconds", "at Twilio, all attempts together"),
    _F("queue_seconds", "seconds", "waiting for a rate limit of the gateway"),
    _F("overhead_seconds", "seconds", "in the gateway itself"),
    _F("attempts", "number", "how often it was sent to Twilio"),
    _F("bytes_in", "bytes", "of the request's body", ecs="http.request.body.bytes",
       gcp="httpRequest.requestSize"),
    _F("bytes_out", "bytes", "of the answer's body", ecs="http.response.body.bytes",
       gcp="httpRequest.responseSize"),
    _F("account", "SID", "the Twilio account it was for", "account"),
    _F("credential", "text", "the credential of the configuration that was used"),
    _F("key", "masked SID", "the Twilio API key it was sent with last", "account"),
    _F("consumer_key", "8 digits", "the beginning of the SHA-256 of the consumer's key",
       gcp=f"{LABELS}.consumer_key"),
    _F("former_consumer", "name", "whose key it was, if it has expired or was removed within 30 days"),
    _F("address", "address", "where the caller connected from; see `log.addresses`", "personal",
       ecs="source.ip", gcp="httpRequest.remoteIp"),
    _F("rule", "text", "the entry of `allow` that allowed it, or what refused: `allow` (no entry covers it), "
       "`form.to` and its like, `credential`, `stop`", ecs="rule.name"),
    _F("limit", "text", "what delayed or refused it: a rate limit's name, `concurrency`, or a setting"),
    _F("resource_sid", "SID", "what the path addresses; API keys are masked", "account"),
    _F("created_sid", "SID", "what the answer to a POST names, other than what was addressed", "account"),
    _F("outcome", "text", "as Gateway-Outcome: unknown, shared, found, absent, done; left out: definite. "
       "Of a webhook: the outcome of the event"),
    _F("twilio_request_id", "text", "Twilio's own id of the request", "account"),
    _F("trace_id", "text", "of the trace (W3C Trace Context)", ecs="trace.id", gcp=TRACE),
    _F("span_id", "text", "of our span, while tracing is on", ecs="span.id", gcp=SPAN),
    _F("gateway_error", "text", "the slug of an error of the gateway (docs/errors.md)", ecs="error.code"),
    _F("unreachable", "text", "why no connection to Twilio could be made"),
    _F("twilio_code", "number", "Twilio's error code"),
    _F("would_refuse", "text", "the slug that `mode: report` let through"),
    _F("backoff_seconds", "seconds", "between attempts"),
    _F("signals", "number", "how often Twilio said 429 because too much was in flight"),
    _F("retries", "number", "how many attempts were retries"),
    _F("key_failovers", "number", "how often the next key was tried"),
    _F("ending", "text", "left out: answered; `aborted` or `hung_up`"),
    _F("sample_rate", "number", "the share of plain successes that is written (`log.sample_successes`)"),
)  # fmt: skip
WEBHOOK: Final = (
    _F("service_seconds", "seconds", "at the service"),
    _F("reason", "text", "why: of a failure, a reload, a refusal", ecs="event.reason"),
    _F("secret", "text", "which secret verified it, or which reference was read; never its value"),
    _F("sid", "SID", "Twilio's id of the message or call, once it is verified", "account"),
    _F("replaced_urls", "number", "how many addresses in TwiML were replaced"),
    _F("unreachable_hosts", "list", "hosts in TwiML that Twilio cannot reach"),
    _F("would_match", "text", "which part of the request would have to differ for its signature to match"),
    _F("hint", "text", "what to do about it"),
)
OTHER: Final = (
    _F("url", "text", "where the data port listens"),
    _F("admin", "text", "where the admin port listens"),
    _F("webhooks", "text", "where the webhook port listens"),
    _F("version", "text", "the gateway's", ecs="service.version"),
    _F("build", "text", "plain or compiled"),
    _F("config", "text", "a digest of the active configuration"),
    _F("allowed", "number", "of open files"),
    _F("needed", "number", "of open files"),
    _F("connections", "number", "that are open"),
    _F("changes", "list", "what a reload changed"),
    _F("after_restart", "list", "settings that wait for a restart"),
    _F("problems", "list", "why a configuration is refused"),
    _F("warnings", "list", "what a configuration should be asked about"),
    _F("chain", "text", "of the audit trail"),
    _F("seq", "number", "of the chain's last line"),
    _F("mac", "text", "of the chain's last line"),
    _F("action", "text", "what an operator did", ecs="event.action"),
    _F("state", "text", "of an outcome that was asked about"),
    _F("prefix", "text", "of the destinations that an operator stopped, or empty"),
    _F("issuer", "text", "of JWTs, by its name in the configuration"),
    _F("detail", "text", "more about it"),
    _F("error", "text", "the type of an exception, never its text", ecs="error.type"),
    _F("where", "text or list", "files and lines of the gateway's code"),
    _F("library", "text", "the logger of a library", ecs="log.logger"),
    _F("total", "number", "lines that were dropped since the start"),
)
FIELDS: Final = {field.name: field for field in (*EVERY_LINE, *EXCHANGE, *WEBHOOK, *OTHER)}


def render_catalogue() -> str:
    """docs/log-fields.md."""
    groups = (
        ("On every line", EVERY_LINE),
        ("On the line of an exchange", EXCHANGE),
        ("On the line of a webhook, beside request_id, route, account, method, outcome, status …", WEBHOOK),
        ("On other lines", OTHER),
    )
    return _INTRODUCTION + "".join(_render_group(title, fields) for title, fields in groups)


def _render_group(title: str, fields: tuple[LogField, ...]) -> str:
    lines = [
        f"\n## {title}\n",
        "| field | type | meaning | sensitivity | ecs | gcp |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{each.name}` | {each.kind} | {each.meaning} | {each.sensitivity} | `{each.ecs_path}` | "
        f"`{each.gcp_path}` |"
        for each in fields
    ]
    return "\n".join(lines) + "\n"


_INTRODUCTION: Final = """\
# Fields of the log

Made by `make docs` from `gateway/observe/log/log_fields.py`. A field that has nothing to say is left
out. No line holds a body, a header field's value, a query, a path, a phone number or a secret.

`log.schema` chooses the names: `plain` (the first column), `ecs` ([Elastic Common
Schema](https://www.elastic.co/docs/reference/ecs), nested but for `log.level` and `ecs.version`) or
`gcp` ([Google Cloud Logging](https://cloud.google.com/logging/docs/structured-logging)). They rename
every line of the log; the audit trail keeps its own. `gateway log` reads all three.

Beside what is listed, an ECS line has `ecs.version`, `service.name`, `event.kind`, `event.dataset` and
`event.outcome` (and of exchanges `event.category` and `event.type`); `sdk` is split into
`user_agent.name` and `user_agent.version`, and `event.duration` counts nanoseconds. In a GCP line
`severity` is in capitals, sizes are texts, the latency ends in `s`, and with the variable
`GOOGLE_CLOUD_PROJECT` a trace is `projects/…/traces/…`.

Sensitivity: *personal* fields may identify a person; *account* fields name something of the Twilio
account; neither is a secret. `log.addresses: false` records no addresses: not in the log, the page, the
API or traces, and page, API, metrics and key list show none that were recorded before. The audit trail
keeps those of operators.

The page, `/api/exchanges` and `gateway tail --json` have the fields of an exchange by the same names,
with these differences: `slug` for `gateway_error`, `reported` for `would_refuse`, and account SIDs are
masked. Spans have them as `gateway.*`, and the address as `client.address`.
"""
