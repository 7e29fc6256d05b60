"""What messages, calls and phone numbers of the 2010-04-01 API contain, and which fields they insist on.

Field names, types and error codes are Twilio's (https://www.twilio.com/docs/messaging/api/message-resource
and its siblings); a message stays `queued`, a call too, until it is updated.
"""

from __future__ import annotations

from typing import Final

from twilio_simulator.created_resources import StoredResource
from twilio_simulator.received_request import API_VERSION, parse_form
from twilio_simulator.record_faults import has_date_sent
from twilio_simulator.resource_kinds import Context, Draft
from twilio_simulator.resource_values import Fields, Form
from twilio_simulator.simulated_errors import TwilioError

_SEGMENT_CHARACTERS: Final = 160
_MAX_BODY: Final = 1600


def _require(form: Form, names: tuple[str, ...], code: int, message: str) -> None:
    if not any(form.get(name) for name in names):
        raise TwilioError(400, code, message)


def copy_fields(fields: Fields, form: Form, names: dict[str, str]) -> None:
    """Take over the parameters that were sent; `names` maps a parameter to its field."""
    for parameter, field in names.items():
        if parameter in form:
            fields[field] = form[parameter]


# -- messages ----------------------------------------------------------------------------------------------


def build_message(draft: Draft) -> Fields:
    """A message; 21604 without To, 21603 without a sender, 21602 without content, 21617 if too long."""
    form = draft.form
    _require(form, ("To",), 21604, "A 'To' phone number is required.")
    _require(form, ("From", "MessagingServiceSid"), 21603, "A 'From' phone number is required.")
    _require(form, ("Body", "MediaUrl", "ContentSid"), 21602, "Message body is required.")
    body = form.get("Body", "")
    if len(body) > _MAX_BODY:
        raise TwilioError(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    return {
        "account_sid": draft.account_sid,
        "api_version": API_VERSION,
        "body": body,
        "date_created": draft.stamp,
        "date_sent": None,
        "date_updated": draft.stamp,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "num_media": str(len(form.getall("MediaUrl", []))),
        "num_segments": str(max(1, -(-len(body) // _SEGMENT_CHARACTERS))),
        "price": None,
        "price_unit": "USD",
        "sid": draft.sid,
        "status": "queued",
        "subresource_uris": {"media": f"{draft.uri}/Media.json"},
        "to": form["To"],
        "uri": f"{draft.uri}.json",
    }


def change_message(fields: Fields, form: Form) -> None:
    """Twilio lets a message be redacted (an empty Body) or canceled, and nothing else."""
    if form.get("Body"):
        raise TwilioError(400, 20001, "Body can only be updated to the empty string")
    if form.get("Status", "canceled") != "canceled":
        raise TwilioError(400, 20001, "Status can only be updated to canceled")
    copy_fields(fields, form, {"Body": "body", "Status": "status"})


def message_created(context: Context, record: StoredResource) -> None:
    """Date it, count its text as it was sent, and keep one media record per MediaUrl."""
    if has_date_sent(context.plan):
        record.fields["date_sent"] = record.fields["date_created"]
    if not context.by_another:
        context.store.record_body(parse_form(context.received).get("Body", ""), record.sid)
    keep = context.store.seed if context.by_another else context.store.add
    media_count = int(str(record.fields["num_media"]))
    for _ in range(media_count):
        sid = context.mint("ME")
        uri = f"{context.received.base_path}/{record.sid}/Media/{sid}"
        fields = build_media(sid, context.account_sid, record, uri)
        keep("media_list", f"{context.account_sid}/{record.sid}", sid, record.created, fields)
    if context.store.on_message is not None:
        context.store.on_message(record, parse_form(context.received))


def build_media(sid: str, account_sid: str, message: StoredResource, uri: str) -> Fields:
    """The description of one picture of a message."""
    return {
        "sid": sid,
        "account_sid": account_sid,
        "parent_sid": message.sid,
        "content_type": "image/jpeg",
        "date_created": message.fields["date_created"],
        "date_updated": message.fields["date_created"],
        "uri": f"{uri}.json",
    }


def refuse_media(draft: Draft) -> Fields:
    """Media are made with their message, never alone."""
    raise TwilioError(405, 20004, f"Method not allowed on {draft.uri}")


def change_media(fields: Fields, form: Form) -> None:
    """Media have nothing to change."""


# -- calls -------------------------------------------------------------------------------------------------


def build_call(draft: Draft) -> Fields:
    """A call; 21201 without To, 21213 without From, 21205 without a thing to say."""
    form = draft.form
    _require(form, ("To",), 21201, "No 'To' number is specified")
    _require(form, ("From",), 21213, "No 'From' number is specified")
    _require(form, ("Url", "Twiml", "ApplicationSid"), 21205, "Url parameter is required.")
    return {
        "account_sid": draft.account_sid,
        "annotation": None,
        "answered_by": None,
        "api_version": API_VERSION,
        "caller_name": None,
        "date_created": draft.stamp,
        "date_updated": draft.stamp,
        "direction": "outbound-api",
        "duration": None,
        "end_time": None,
        "forwarded_from": None,
        "from": form["From"],
        "from_formatted": form["From"],
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": draft.sid,
        "start_time": None,
        "status": "queued",
        "subresource_uris": {"recordings": f"{draft.uri}/Recordings.json"},
        "to": form["To"],
        "to_formatted": form["To"],
        "trunk_sid": None,
        "uri": f"{draft.uri}.json",
    }


def change_call(fields: Fields, form: Form) -> None:
    """A call can be ended, or sent to other instructions, which are not shown in its fields."""
    if form.get("Status", "completed") not in ("completed", "canceled"):
        raise TwilioError(400, 21218, "Status can only be updated to completed or canceled")
    copy_fields(fields, form, {"Status": "status"})


# -- phone numbers -----------------------------------------------------------------------------------------

_NUMBER_FIELDS: Final = {
    "FriendlyName": "friendly_name",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "StatusCallback": "status_callback",
}


def build_number(draft: Draft) -> Fields:
    """A bought phone number; 21421 without PhoneNumber and AreaCode."""
    form = draft.form
    _require(form, ("PhoneNumber", "AreaCode"), 21421, "A 'PhoneNumber' or 'AreaCode' is required.")
    number = form.get("PhoneNumber") or f"+1{form['AreaCode']}555{int(draft.sid[2:], 16) % 10_000:04d}"
    fields: Fields = {
        "account_sid": draft.account_sid,
        "api_version": API_VERSION,
        "capabilities": {"fax": False, "mms": True, "sms": True, "voice": True},
        "date_created": draft.stamp,
        "date_updated": draft.stamp,
        "friendly_name": number,
        "phone_number": number,
        "sid": draft.sid,
        "sms_method": "POST",
        "sms_url": "",
        "status_callback": "",
        "uri": f"{draft.uri}.json",
        "voice_method": "POST",
        "voice_url": "",
    }
    change_number(fields, form)
    return fields


def change_number(fields: Fields, form: Form) -> None:
    """Name and webhooks of a number."""
    copy_fields(fields, form, _NUMBER_FIELDS)
