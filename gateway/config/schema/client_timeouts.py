"""The form of `upstream.client_timeout_seconds`: client name -> seconds until it gives up.

What a file gives is added to the defaults (`gateway/twilio/sdks.py`): to change one name, or to add a client,
leaves the others as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from gateway.config.schema import values
from gateway.twilio.sdks import SDKS

CLIENT_TIMEOUTS: Final[Mapping[str, float]] = {name: each.timeout_seconds for name, each in SDKS.items()}

CLIENT = values.TextPattern(
    r"[A-Za-z][A-Za-z0-9._-]{0,63}",
    "not the name of a client",
    "write what its User-Agent begins with, up to the slash, such as twilio-go",
)


def _check_timeout(seconds: float) -> float:
    if 0 < seconds <= 1:
        values.refuse(
            "too short for an answer a second earlier", "write more than 1, or 0 for a client that waits"
        )
    return seconds


def _add_defaults(given: Mapping[str, float]) -> Mapping[str, float]:
    return {**CLIENT_TIMEOUTS, **given}


ClientTimeouts = Annotated[
    Mapping[Annotated[str, CLIENT], Annotated[values.SecondsOrNone, AfterValidator(_check_timeout)]],
    AfterValidator(_add_defaults),
]
