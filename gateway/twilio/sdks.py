"""Twilio's client libraries: after how long each gives up, and which send a POST again by themselves.

The names are those of their User-Agents. Measured, or read in their sources: docs/facts.md, "Clients".
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.http.user_agent import split_sdk


class PostRepeats(StrEnum):
    """Whether a client sends a POST again by itself when an answer is missing or is an error."""

    NEVER = "never"
    OPTIONAL = "optional"  # if its user asks for it
    BY_DEFAULT = "by_default"
    UNKNOWN = "unknown"


class SdkProfile(NamedTuple):
    """`timeout_seconds` is until the client gives up by default, 0 if it never does."""

    timeout_seconds: float
    post_repeats: PostRepeats


SDKS: Final[Mapping[str, SdkProfile]] = MappingProxyType(
    {
        "twilio-cli": SdkProfile(30, PostRepeats.NEVER),
        "twilio-csharp": SdkProfile(100, PostRepeats.NEVER),
        "twilio-go": SdkProfile(10, PostRepeats.NEVER),
        "twilio-java": SdkProfile(30, PostRepeats.BY_DEFAULT),  # on every 5xx, and once on 429
        "twilio-node": SdkProfile(30, PostRepeats.OPTIONAL),  # `autoRetry`, on 429
        "twilio-php": SdkProfile(60, PostRepeats.NEVER),
        "twilio-python": SdkProfile(
            0, PostRepeats.OPTIONAL
        ),  # the async client's `max_retries`, on every 5xx
        "twilio-ruby": SdkProfile(0, PostRepeats.NEVER),
    }
)


def post_repeats(sdk: str) -> PostRepeats:
    """Whether a client ('twilio-go/1.30.9') sends POSTs again by itself; unknown if it is none of `SDKS`."""
    profile = SDKS.get(split_sdk(sdk)[0])
    return profile.post_repeats if profile is not None else PostRepeats.UNKNOWN
