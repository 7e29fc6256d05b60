"""What `check` says of asking Twilio about lost answers: what the setting states, and what it lacks. Pure."""

from collections.abc import Iterator

from gateway.config.problems import Finding
from gateway.config.schema.settings import Settings

_STATES = (
    "states that no other program sends with this account, or that a mistaken match is acceptable: a "
    "message of "
    "another program to the same recipient at the same time can pass for one whose answer was lost"
)


def find_ask_notes(settings: Settings) -> Iterator[Finding]:
    """A note for each credential that asks, and where replicas or the guard's settings get in the way."""
    asking = [name for name, each in settings.credentials.items() if each.repeat_guard.ask]
    guard = settings.repeat_guard
    for name in asking:
        yield Finding(
            ("credentials", name, "repeat_guard", "ask"),
            _STATES,
            "keep it if that is so (docs/at-most-once.md), or use an account or subaccount of its own",
        )
    if asking and guard.mode == "report":
        yield Finding(
            ("repeat_guard", "mode"),
            "`report` holds nothing: a repeat is sent while Twilio is still asked about the first",
            "write `mode: enforce`, or remove `ask`",
        )
    if asking and settings.store != "memory" and settings.store_key is None:
        yield Finding(
            ("store",),
            "without `store_key` recipients stay in the memory of one replica: no other can ask Twilio about "
            "the messages of one that was killed",
            "add `store_key: {env: NAME}`, made with: openssl rand -base64 32",
        )
    if not asking and (guard.resend_absent or guard.after_absent == "hold"):
        place = "resend_absent" if guard.resend_absent else "after_absent"
        yield Finding(
            ("repeat_guard", place),
            "matters only where Twilio is asked, and no credential has `repeat_guard: {ask: true}`",
            "set it at the credential, or remove this line",
        )
