"""Which client library sent a request, by its User-Agent (RFC 9110 10.1.5).

Twilio's SDKs name themselves first, `twilio-go/1.30.9 (linux amd64) go/1.24.1 …`; the command line does so in
the middle, `@twilio/cli-core/8.2.1`. Anything odd is a client that is not known; nothing raises.
"""

import re
from functools import lru_cache

from gateway.exchange import UNKNOWN_SDK, Sdk

_MAX_BYTES = 512  # longer ones are not parsed, so that the cache stays small
_CACHED = 512
_VERSION = rb"([0-9][0-9A-Za-z.+-]{0,31})(?=[ \t]|\Z)"
_PRODUCT = re.compile(rb"([A-Za-z][A-Za-z0-9._-]{0,63})/" + _VERSION)
_COMMAND_LINE = re.compile(rb"(?:^|[ \t])@twilio/cli-core/" + _VERSION)


def read_sdk(user_agent: bytes) -> Sdk:
    """The first product of a User-Agent and its version, whatever product it is; `UNKNOWN_SDK` without one.

    Names come from callers: whoever counts by them admits only names that it knows.
    """
    return _parse(user_agent) if len(user_agent) <= _MAX_BYTES else UNKNOWN_SDK


@lru_cache(_CACHED)
def _parse(user_agent: bytes) -> Sdk:
    found = _COMMAND_LINE.search(user_agent)
    if found is not None:
        return _sdk("twilio-cli", found[1])
    found = _PRODUCT.match(user_agent)
    return _sdk(found[1].decode("ascii"), found[2]) if found is not None else UNKNOWN_SDK


def _sdk(name: str, version: bytes) -> Sdk:
    number = version.decode("ascii")
    return Sdk(name, number, f"{name}/{number}")
