"""What of a create can be compared with a resource of Twilio's, to tell which one it made. Pure.

Twilio changes what it keeps: smart encoding replaces characters, a trial account puts a sentence in front,
links are shortened, templates are filled in, texts are redacted, senders replaced
(https://www.twilio.com/docs/messaging/services/smart-encoding-char-list,
https://www.twilio.com/docs/messaging/guides/privacy-message-redaction). So texts are compared by their
letters and digits, and only where they can be compared at all. What is kept to compare with is digests by a
key: neither a text nor a sender can be read back.
"""

import hmac
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.http.form_data import Fields
from gateway.twilio.message_segments import MESSAGES

CALLS: Final = "/2010-04-01/Accounts/{AccountSid}/Calls"
_PARTICIPANTS: Final = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants"

_TRIAL_PREFIX: Final = "Sent from your Twilio trial account -"
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
# Without what may follow an address (`sip:a@b;transport=tls`, `sip:a@b?x-header=1`, `client:a?b=c`): nothing
# says that Twilio lists it by the whole of it.
_CHANNEL: Final = re.compile(r"[a-z][a-z0-9.+-]{1,31}:[!-+\--:<->@-~]{1,255}")
# One number in two spellings, of which Twilio takes both
# (https://www.twilio.com/en-us/guidelines/mx/sms): with and without the digit that once told mobile numbers.
_SPELLINGS: Final = (
    (re.compile(r"\+521([0-9]{10})"), r"+52\1"),  # Mexico
    (re.compile(r"\+52([0-9]{10})"), r"+521\1"),
    (re.compile(r"\+549([0-9]{10})"), r"+54\1"),  # Argentina
    (re.compile(r"\+54([0-9]{10})"), r"+549\1"),
    (re.compile(r"\+55([0-9]{2})9([0-9]{8})"), r"+55\1\2"),  # Brazil
    (re.compile(r"\+55([0-9]{2})([0-9]{8})"), r"+55\g<1>9\2"),
)
_DIGEST_DIGITS: Final = 32
_YES: Final = frozenset({"true", "1", "yes"})
_EMPTY: Final = "\x00empty"


class SubjectKind(StrEnum):
    """What Twilio can be asked about; the values are the names of its lists."""

    MESSAGE = "messages"
    CALL = "calls"


class ListFilter(NamedTuple):
    """What Twilio's lists are filtered by. `sender` is '' where it is no filter."""

    kind: SubjectKind
    to: str
    sender: str = ""

    def __repr__(self) -> str:  # it holds a phone number
        return f"ListFilter({self.kind})"


class Sought(NamedTuple):
    """What is looked for after a create: where, and what it is compared by (`comparable_resource`)."""

    lookup: ListFilter
    comparable: Mapping[str, str]

    def __repr__(self) -> str:  # it holds a text
        return f"Sought({self.lookup.kind})"


def kind_of(product: str, template: str) -> SubjectKind | None:
    """What a route creates, as far as Twilio can be asked about it for a caller: it is the whole answer."""
    if product != "api":
        return None
    return {MESSAGES: SubjectKind.MESSAGE, CALLS: SubjectKind.CALL}.get(template)


def listed_kind(product: str, template: str) -> SubjectKind | None:
    """In which list the creates of a route are: a conference's participant is called, which is a call."""
    if (product, template) == ("api", _PARTICIPANTS):
        return SubjectKind.CALL
    return kind_of(product, template)


def read_sought(kind: SubjectKind, fields: Fields) -> Sought | None:
    """What to look for after a create with these form fields; None where Twilio cannot be asked.

    To must be one number in E.164, or one address of a channel (`whatsapp:+1…`, `sip:…`): that is what lists
    can be filtered by. A request that has its recipient obfuscated will not be found by it. A caller's number
    that is written otherwise is shown in another form: its list would be empty.
    """
    given = dict(fields)
    recipients = [value for name, value in fields if name == "To"]
    if len(recipients) != 1 or given.get("AddressRetention", "").strip().lower() == "obfuscate":
        return None
    to = recipients[0].strip()
    if not _is_canonical(to):
        return None
    if kind is SubjectKind.CALL:
        sender = given.get("From", "").strip()
        listed_by = sender if _is_canonical(sender) else ""
        return Sought(ListFilter(kind, to, listed_by), {"from": sender} if sender else {})
    return Sought(ListFilter(kind, to), _comparable_message(given))


def _is_canonical(address: str) -> bool:
    """Whether Twilio shows it as it is written."""
    return (_E164.fullmatch(address) or _CHANNEL.fullmatch(address)) is not None


def _comparable_message(given: Mapping[str, str]) -> dict[str, str]:
    comparable: dict[str, str] = {}
    is_rewritten = "ContentSid" in given or given.get("ShortenUrls", "").strip().lower() in _YES
    if not is_rewritten:
        comparable["body"] = normal_text(given.get("Body", ""))
    if given.get("MessagingServiceSid"):
        comparable["service"] = given["MessagingServiceSid"].strip()
    if "MediaUrl" not in given and not is_rewritten:
        comparable["media"] = "0"
    return comparable


def comparable_resource(kind: SubjectKind, resource: Mapping[str, object]) -> dict[str, str]:
    """The same of a resource in one of Twilio's lists, without what Twilio does not show.

    An empty text may be a redacted one, so that it is not compared. A message's sender never is: Twilio
    replaces senders.
    """
    if kind is SubjectKind.CALL:
        sender = _text(resource.get("from"))
        return {"from": sender} if sender else {}
    comparable: dict[str, str] = {}
    if text := _text(resource.get("body")):
        comparable["body"] = normal_text(text.removeprefix(_TRIAL_PREFIX))
    if service := _text(resource.get("messaging_service_sid")):
        comparable["service"] = service
    if (media := resource.get("num_media")) is not None:
        comparable["media"] = str(media)
    return comparable


def normal_text(text: str) -> str:
    """The letters and digits of a text, in one case; of a text without any, the text."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(filter(str.isalnum, decomposed)).casefold() or text.strip() or _EMPTY


def digest_comparable(comparable: Mapping[str, str], key: bytes) -> str:
    """`name=digest` of each, joined by `;`, by a secret key."""
    return ";".join(f"{name}={_digest(name, value, key)}" for name, value in sorted(comparable.items()))


def digest_address(account: str, to: str, key: bytes) -> str:
    """A recipient of an account's as other replicas may know it: there are few enough numbers to try them all
    against a plain hash."""
    return _digest(account, to, key)


def is_equal(digests: str, comparable: Mapping[str, str], key: bytes) -> bool:
    """Whether nothing that can be compared differs. `digests` is of what was sent."""
    sent = dict(each.split("=", 1) for each in digests.split(";") if each)
    return all(
        hmac.compare_digest(sent[name], _digest(name, value, key))
        for name, value in comparable.items()
        if name in sent
    )


def is_address(shown: str, to: str) -> bool:
    """Whether an address in a list is `to`, in full or with its last digits replaced."""
    return shown.lower() in (to.lower(), redacted(to).lower())


def redacted(to: str) -> str:
    """A number as Twilio shows it where numbers are redacted."""
    return f"{to[:-4]}XXXX"


def other_spelling(to: str) -> str:
    """The same number as Twilio may show it as well, '' if there is one spelling only."""
    channel, colon, number = to.rpartition(":")
    for pattern, other in _SPELLINGS:
        if found := pattern.fullmatch(number):
            return f"{channel}{colon}{found.expand(other)}"
    return ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _digest(name: str, value: str, key: bytes) -> str:
    text = f"{len(name)}:{name}{value}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, "sha256").hex()[:_DIGEST_DIGITS]
