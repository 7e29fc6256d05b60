"""What a TwiML application contains: the URLs that numbers and clients share by its SID.

Field names are Twilio's (https://www.twilio.com/docs/usage/api/applications).
"""

from __future__ import annotations

from typing import Final

from twilio_simulator.core_resources import copy_fields
from twilio_simulator.received_request import API_VERSION
from twilio_simulator.resource_kinds import Draft
from twilio_simulator.resource_values import Fields, Form

_FIELDS: Final = {
    "FriendlyName": "friendly_name",
    "MessageStatusCallback": "message_status_callback",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsStatusCallback": "sms_status_callback",
    "SmsUrl": "sms_url",
    "StatusCallback": "status_callback",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceUrl": "voice_url",
}


def build_application(draft: Draft) -> Fields:
    """An application; nothing is required of it."""
    fields: Fields = {
        "account_sid": draft.account_sid,
        "api_version": API_VERSION,
        "date_created": draft.stamp,
        "date_updated": draft.stamp,
        "sid": draft.sid,
        "uri": f"{draft.uri}.json",
        **dict.fromkeys(_FIELDS.values(), ""),
    }
    change_application(fields, draft.form)
    return fields


def change_application(fields: Fields, form: Form) -> None:
    """Its name and URLs."""
    copy_fields(fields, form, _FIELDS)
