"""What the resources of the product APIs contain: messaging and content services, verifications, uploads.

These APIs answer JSON only, with ISO 8601 dates and absolute URLs on their own host.
"""

from __future__ import annotations

from typing import Final

from twilio_simulator.core_resources import copy_fields
from twilio_simulator.dates import iso_stamp
from twilio_simulator.received_request import parse_form
from twilio_simulator.resource_kinds import Context, Draft
from twilio_simulator.resource_values import Answer, Fields, Form
from twilio_simulator.simulated_errors import TwilioError

_ATTEMPTS_ALLOWED: Final = 5
_SERVICE_FIELDS: Final = {
    "FriendlyName": "friendly_name",
    "InboundRequestUrl": "inbound_request_url",
    "StatusCallback": "status_callback",
}
_SERVICE_LINKS: Final = {
    "phone_numbers": "PhoneNumbers",
    "short_codes": "ShortCodes",
    "alpha_senders": "AlphaSenders",
    "messages": "Messages",
}


def build_service(draft: Draft) -> Fields:
    """A messaging service; FriendlyName is required."""
    if not draft.form.get("FriendlyName"):
        raise TwilioError(400, 20001, "Missing required parameter FriendlyName in the post body")
    fields: Fields = {
        "sid": draft.sid,
        "account_sid": draft.account_sid,
        "friendly_name": None,
        "date_created": draft.stamp,
        "date_updated": draft.stamp,
        "inbound_request_url": None,
        "status_callback": None,
        "sticky_sender": True,
        "usecase": "undeclared",
        "url": draft.uri,
        "links": {name: f"{draft.uri}/{path}" for name, path in _SERVICE_LINKS.items()},
    }
    change_service(fields, draft.form)
    return fields


def change_service(fields: Fields, form: Form) -> None:
    """Name and callbacks of a messaging service."""
    copy_fields(fields, form, _SERVICE_FIELDS)


def build_content(draft: Draft) -> Fields:
    """A content template, from a JSON body; `language` and `types` are required."""
    for name in ("language", "types"):
        if not draft.body.get(name):
            raise TwilioError(400, 20001, f"Missing required parameter {name} in the post body")
    return {
        "sid": draft.sid,
        "account_sid": draft.account_sid,
        "friendly_name": draft.body.get("friendly_name"),
        "language": draft.body["language"],
        "variables": draft.body.get("variables", {}),
        "types": draft.body["types"],
        "date_created": draft.stamp,
        "date_updated": draft.stamp,
        "url": draft.uri,
        "links": {"approval_fetch": f"{draft.uri}/ApprovalRequests"},
    }


def change_content(fields: Fields, form: Form) -> None:
    """A template has no form parameters: it is replaced, never edited."""


def create_verification(context: Context) -> Answer:
    """Send a code; the sixth to one number is 429/60203, which no waiting cures."""
    form, now = parse_form(context.received), iso_stamp(context.now)
    for name in ("To", "Channel"):
        if not form.get(name):
            raise TwilioError(400, 60200, f"Invalid parameter: {name}")
    service_sid, to = context.params["ServiceSid"], form["To"]
    if context.store.count_attempt(f"{context.account_sid}/{service_sid}", to) > _ATTEMPTS_ALLOWED:
        raise TwilioError(429, 60203)
    sid = context.mint("VE")
    fields: Fields = {
        "sid": sid,
        "service_sid": service_sid,
        "account_sid": context.account_sid,
        "to": to,
        "channel": form["Channel"],
        "status": "pending",
        "valid": False,
        "date_created": now,
        "date_updated": now,
        "lookup": {},
        "send_code_attempts": [{"time": now, "channel": form["Channel"], "attempt_sid": context.mint("VL")}],
        "url": f"https://verify.twilio.com/v2/Services/{service_sid}/Verifications/{sid}",
    }
    context.store.add("verifications", f"{context.account_sid}/{service_sid}", sid, context.now, fields)
    return Answer(201, fields)


def create_upload(context: Context) -> Answer:
    """Describe the raw body that was streamed in: its size and digest prove that it came whole."""
    upload = context.received.upload
    if upload is None or upload.size_bytes == 0:
        raise TwilioError(400, 20001, "The body is empty")
    sid, service_sid, now = context.mint("ME"), context.params["ServiceSid"], iso_stamp(context.now)
    fields: Fields = {
        "sid": sid,
        "service_sid": service_sid,
        "account_sid": context.account_sid,
        "content_type": context.received.content_type or None,
        "size": upload.size_bytes,
        "sha256": upload.sha256,
        "date_created": now,
        "date_updated": now,
        "url": f"/v1/Services/{service_sid}/Media/{sid}",
    }
    context.store.add("uploads", f"{context.account_sid}/{service_sid}", sid, context.now, fields)
    return Answer(201, fields)
