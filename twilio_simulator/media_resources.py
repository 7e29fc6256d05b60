"""The media of a message: its bytes are made while they are sent, so any size can be had with flat memory.

Without `Size` it redirects to another host, as Twilio does; with a suffix it is an ordinary resource.
"""

from __future__ import annotations

from typing import Final

from twilio_simulator.actions import fetch
from twilio_simulator.resource_kinds import Action, Context, ResourceKind
from twilio_simulator.resource_values import Answer, Pattern
from twilio_simulator.simulated_errors import TwilioError

BLOCK: Final = bytes(range(256)) * 256
MEDIA_HOST: Final = "media.twiliocdn.com"


def fetch_media(kind: ResourceKind) -> Action:
    """The description (`.json`, `.xml`), `?Size=N[&Chunked=1]` bytes, or a 307 to the media host.

    The bytes and the redirect do not ask whether the message exists: a test need not create one.
    """
    describe = fetch(kind)

    def act(context: Context) -> Answer:
        received = context.received
        if received.suffix:
            return describe(context)
        size = received.query.get("Size")
        if size is None:
            location = f"https://{MEDIA_HOST}/{context.account_sid}/{context.params['Sid']}"
            return Answer(307, headers=(("Location", location),))
        if not size.isdecimal():
            raise TwilioError(400, 20001, "Size must be a whole number of bytes")
        return Answer(200, stream=Pattern(int(size), chunked=received.query.get("Chunked") == "1"))

    return act


def pattern_bytes(size_bytes: int) -> bytes:
    """The first bytes of a streamed body, for comparison in tests."""
    return (BLOCK * (size_bytes // len(BLOCK) + 1))[:size_bytes]
