"""Which client library sent a request, by its User-Agent (RFC 9110 10.1.5).

Twilio's SDKs name themselves first, `twilio-go/1.30.9 (linux amd64) go/1.24.1 …`; the command line does so in
the middle, `@twilio/cli-core/8.2.1`. Anything odd is a client that is not known; nothing raises.
"""

import re
from typing import Final

from gateway.exchange import UNKNOWN_SDK

MAX_BYTES: Final = 512
"""Longer User-Agents are not looked at."""
_VERSION: Final = (
    rb"([0-9]{1,5}(?:\.[0-9]{1,5}){0,3}(?:[.+-]?[A-Za-z]{1,8}(?:[.-]?[0-9]{1,5})?){0,2})(?=[ \t]|\Z)"
)
"""`9.13.0`, `6.0.0-rc.1`, `8.2.0b1`: too short parts to hold a key, for versions reach logs and labels."""
_PRODUCT: Final = re.compile(rb"([A-Za-z][A-Za-z0-9._-]{0,63})/" + _VERSION)
_COMMAND_LINE: Final = re.compile(rb"(?:^|[ \t])@twilio/cli-core/" + _VERSION)


def read_sdk(user_agent: bytes) -> str:
    """The first product of a User-Agent and its version, such as 'twilio-go/1.30.9', whatever product it is.

    `UNKNOWN_SDK` without one. Names come from callers: who counts by them admits only names that it knows.
    """
    if len(user_agent) > MAX_BYTES:
        return UNKNOWN_SDK
    command_line = _COMMAND_LINE.search(user_agent)
    if command_line is not None:
        return f"twilio-cli/{command_line[1].decode('ascii')}"
    product = _PRODUCT.match(user_agent)
    return product[0].decode("ascii") if product is not None else UNKNOWN_SDK


def split_sdk(sdk: str) -> tuple[str, str]:
    """Its name and its version, '' without one."""
    name, _, version = sdk.partition("/")
    return name, version
