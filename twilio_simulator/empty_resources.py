"""Lists of what a young account has none of: recordings, conferences, flows …; read, and never filled.

Programs that copy a whole account (Airbyte, Singer) follow every link of it. Each answers as Twilio does
for an account without such a thing: an empty page, and 404 for a single one.
"""

from __future__ import annotations

from typing import Final

from twilio_simulator.actions import fetch, list_page
from twilio_simulator.resource_kinds import Draft, ResourceKind, ResourceRoute, Verb
from twilio_simulator.resource_values import Fields, Form
from twilio_simulator.simulated_errors import TwilioError

ACCOUNT_CHILDREN: Final = {
    "addresses": "Addresses",
    "applications": "Applications",
    "available_phone_numbers": "AvailablePhoneNumbers",
    "calls": "Calls",
    "conferences": "Conferences",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "keys": "Keys",
    "messages": "Messages",
    "outgoing_caller_ids": "OutgoingCallerIds",
    "queues": "Queues",
    "recordings": "Recordings",
    "signing_keys": "SigningKeys",
    "transcriptions": "Transcriptions",
    "usage": "Usage",
}
"""The `subresource_uris` of an account, without SIP, Connect apps and others."""

_ACCOUNT: Final = "/2010-04-01/Accounts/{AccountSid}"
_EMPTY: Final = (
    ("api", f"{_ACCOUNT}/Addresses", "addresses", "Address", "AD"),
    ("api", f"{_ACCOUNT}/AvailablePhoneNumbers", "countries", "Country", ""),
    ("api", f"{_ACCOUNT}/Conferences", "conferences", "Conference", "CF"),
    ("api", f"{_ACCOUNT}/OutgoingCallerIds", "outgoing_caller_ids", "OutgoingCallerId", "PN"),
    ("api", f"{_ACCOUNT}/Queues", "queues", "Queue", "QU"),
    ("api", f"{_ACCOUNT}/Recordings", "recordings", "Recording", "RE"),
    ("api", f"{_ACCOUNT}/Transcriptions", "transcriptions", "Transcription", "TR"),
    ("api", f"{_ACCOUNT}/Usage/Records/Daily", "usage_records", "UsageRecord", ""),
    ("api", f"{_ACCOUNT}/Usage/Triggers", "usage_triggers", "UsageTrigger", "UT"),
    ("chat", "/v2/Services", "services", "Service", "IS"),
    ("conversations", "/v1/Conversations", "conversations", "Conversation", "CH"),
    ("conversations", "/v1/Users", "users", "User", "US"),
    ("monitor", "/v1/Alerts", "alerts", "Alert", "NO"),
    ("studio", "/v1/Flows", "flows", "Flow", "FW"),
    ("trunking", "/v1/Trunks", "trunks", "Trunk", "TK"),
    ("verify", "/v2/Services", "services", "Service", "VA"),
)


def _not_made_here(draft: Draft) -> Fields:
    raise TwilioError(405, 20004, f"Method not allowed on {draft.uri}")


def _nothing_to_change(fields: Fields, form: Form) -> None:
    """No record of these kinds exists."""


def _routes(
    product: str, path: str, key: str, element: str, prefix: str
) -> tuple[ResourceRoute, ResourceRoute]:
    """The list, which is empty, and its instances, each of which is a 404."""
    permission = f"/twilio/{product}/{key.replace('_', '-')}"
    plural = path.rsplit("/", 1)[-1]
    kind = ResourceKind(key, element, plural, prefix, permission, _not_made_here, _nothing_to_change)
    return (
        ResourceRoute(product, path, {"GET": Verb(list_page(kind), f"{permission}/list")}),
        ResourceRoute(product, f"{path}/{{Sid}}", {"GET": Verb(fetch(kind), f"{permission}/read")}),
    )


EMPTY_ROUTES: Final = tuple(route for row in _EMPTY for route in _routes(*row))
