"""Faults in what is kept of a created resource, and in when lists show it.

Twilio does each of these now and then; a gateway that looks a lost request up in a list must survive them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twilio_simulator.created_resources import StoredResource
from twilio_simulator.faults import Plan
from twilio_simulator.resource_values import Fields

_TRIAL_PREFIX: Final = "Sent from your Twilio trial account - "
_SMART_ENCODING: Final = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{NO-BREAK SPACE}": " ",
    }
)
"""Some of https://www.twilio.com/docs/messaging/services/smart-encoding-char-list."""
_REDACTED_DIGITS: Final = 4


def alter_record(plan: Plan, fields: Fields) -> None:
    """Change a new record as the plan says; fields that its kind does not have stay absent."""
    if "rewrite-body" in plan and "body" in fields:
        body = str(fields["body"])
        fields["body"] = (
            _TRIAL_PREFIX + body if plan["rewrite-body"] == "trial" else body.translate(_SMART_ENCODING)
        )
    if "replace-sender" in plan and "from" in fields:
        fields["from"] = plan["replace-sender"]
    if "redact" in plan:
        _redact(plan["redact"], fields)


def _redact(what: str, fields: Fields) -> None:
    """Without the text, and with the recipient's last four digits replaced, each on its own or both.

    (https://www.twilio.com/docs/messaging/guides/privacy-message-redaction)
    """
    if what != "to" and "body" in fields:
        fields["body"] = ""
    if what != "body" and "to" in fields:
        fields["to"] = str(fields["to"])[:-_REDACTED_DIGITS] + "X" * _REDACTED_DIGITS


def has_date_sent(plan: Plan) -> bool:
    """Whether a new message gets its `date_sent`; a message that waits at Twilio has none."""
    return "no-date-sent" not in plan


def listed_records(plan: Plan, records: list[StoredResource], now: float) -> Sequence[StoredResource]:
    """The records, newest first, that a list shows: with `list-lag` none that is younger than the lag."""
    if "list-lag" not in plan:
        return records
    latest = now - float(plan["list-lag"])
    return [record for record in records if record.created <= latest]
