"""Whether Twilio sent an event: signature, body and account, for one route. Pure."""

import re
from codecs import BOM_UTF8
from typing import Final, NamedTuple

import orjson

from gateway.webhooks.public_address import public_urls
from gateway.webhooks.signature import (
    AUTH_TOKEN_SETTINGS,
    FORM_TYPE,
    SETTINGS_FIELD,
    SIGNATURE_FIELD,
    Pairs,
    SignatureSettings,
    SigningSecret,
    find_match,
    find_tails,
    read_pairs,
    read_settings,
)
from gateway.webhooks.signature_hints import Suspect
from gateway.webhooks.webhook_fields import find_value
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules

_ACCOUNT_NAMES: Final = frozenset({"AccountSid", "accountSid", "account_sid"})
_SID_NAMES: Final = (
    b"MessageSid",
    b"CallSid",
    b"SmsSid",
    b"RecordingSid",
    b"ConferenceSid",
    b"VerificationSid",
)
_SID: Final = re.compile(rb"[A-Z]{2}[0-9a-fA-F]{32}")


class ReceivedEvent(NamedTuple):
    """A request as far as verification is concerned. `fields` are (lower-case name, name, value)."""

    method: str
    path: bytes
    query: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes, bytes], ...]
    body: bytes


class Verification(NamedTuple):
    """`reason` is '' for an event that Twilio sent, else `signature`, `body`, `account` …: why not.

    `tail` is what the signature covers besides the URL; the service's signature covers the same.
    """

    reason: str
    tail: bytes
    form: Pairs | None
    secret: SigningSecret | None = None
    signature: bytes = b""


def verify_event(rules: WebhookRules, route: WebhookRoute, event: ReceivedEvent) -> Verification:
    """Judge an event. What could not be verified has the tail that its own body gives, for `mode: report`."""
    form = read_form(event)
    query, body = event.query, event.body
    coded = find_value(event.fields, b"content-encoding")
    tails = find_tails(query, body, form) if event.method != "GET" or not body else ()
    if coded is None or coded.lower() not in (b"", b"identity"):
        tails = ()
    own_tail = tails[0] if tails else b""
    signature, settings = read_signature(event)
    if not signature:
        return Verification("signature_missing", own_tail, form)
    if settings is None:
        return Verification("settings", own_tail, form)
    if not tails:
        return Verification("body", own_tail, form)
    match = find_match(route.secrets, settings, signature, public_urls(rules.bases, event.target), tails)
    if match is None:
        return Verification("signature", own_tail, form)
    if not _names_account_only(route.sid, event, form):
        return Verification("account", match.tail, form)
    return Verification("", match.tail, form, match.secret, signature)


def read_form(event: ReceivedEvent) -> Pairs | None:
    """The parameters of a form; None for a body of another type, or with too many."""
    kind = find_value(event.fields, b"content-type")
    if kind is None or kind.partition(b";")[0].strip().lower() != FORM_TYPE:
        return None
    return read_pairs(event.body)


def read_signature(event: ReceivedEvent) -> tuple[bytes, SignatureSettings | None]:
    """The signature, b'' unless there is exactly one; and its settings, None if they are not understood."""
    signature = find_value(event.fields, SIGNATURE_FIELD) or b""
    value = find_value(event.fields, SETTINGS_FIELD)
    if value is None:
        return signature, None
    return signature, read_settings(value) if value else AUTH_TOKEN_SETTINGS


def make_suspect(event: ReceivedEvent) -> Suspect:
    """The event as hints are found for it."""
    signature, settings = read_signature(event)
    host = find_value(event.fields, b"host") or b""
    return Suspect(signature, settings, event.path, event.query, event.body, read_form(event), host)


def find_subject(form: Pairs | None) -> str:
    """The SID of the message or call that an event is about, '' if there is none."""
    named = dict(form or ())
    for name in _SID_NAMES:
        value = named.get(name, b"")
        if _SID.fullmatch(value):
            return value.decode("ascii")
    return ""


def is_status(form: Pairs | None) -> bool:
    """Whether an event tells of a message or call that was sent, and not of one that arrives."""
    named = dict(form or ())
    return b"MessageStatus" in named or named.get(b"Direction", b"").startswith(b"outbound")


def _names_account_only(sid: str, event: ReceivedEvent, form: Pairs | None) -> bool:
    """Whether every AccountSid that the event names is the account's.

    Not deeper in JSON: an event of an account's stream may be about one of its subaccounts.
    """
    wanted = sid.encode("ascii")
    for name, value in (*(read_pairs(event.query) or ()), *(form or ())):
        if name == b"AccountSid" and value != wanted:
            return False
    text = b"" if form is not None else event.body.removeprefix(BOM_UTF8).lstrip()
    if text[:1] not in (b"{", b"["):
        return True
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return True  # its hash is signed; what it is, is the service's to judge
    return all(
        value == sid
        for each in (document if isinstance(document, list) else (document,))
        if isinstance(each, dict)
        for name, value in each.items()
        if name in _ACCOUNT_NAMES
    )
