"""What `check` says of any configuration: what the repeat guard remembers where, and what of a 503. Pure."""

from gateway.config.schema.settings import Settings

_SHARED = "repeat guard: all replicas share what they remember of creates, in Redis"
_LOCAL = (
    "repeat guard: each replica remembers its own creates; one that is killed or restarted forgets them, and "
    "a client that calls again then sends a second message"
)
_REPORTS = "repeat guard: `mode: report` counts repeats, and sends them all"
_OFF = "repeat guard: off; a create that comes again is sent again"
_NOT_ASKED = (
    "a 503 to a create is definite where Twilio is not asked: it reaches the caller, and a repeat is sent; "
    "with `repeat_guard: {ask: true}` at the credential it is looked up like a 500 (docs/at-most-once.md)"
)


def describe_guard(settings: Settings) -> list[str]:
    """Sentences, without a place in the file."""
    guard = settings.repeat_guard
    if guard.seconds == 0 and not any(guard.routes.values()):
        return [_OFF]
    if guard.mode == "report":
        return [_REPORTS]
    shares = guard.store != "local" and settings.store != "memory"
    asks_everywhere = all(each.repeat_guard.ask for each in settings.credentials.values())
    return [_SHARED if shares else _LOCAL, *([] if asks_everywhere else [_NOT_ASKED])]
