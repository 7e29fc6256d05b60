"""How long an exchange may take to its answer's head: the configuration's bound, which a caller may lower."""

import re

from gateway.errors import Refusal
from gateway.http.request_head import Inbound

_SECONDS = re.compile(rb"[0-9]{1,5}(?:\.[0-9]{1,3})?")


def read_deadline(inbound: Inbound, most_seconds: float) -> float:
    """Seconds by `Gateway-Timeout`, at most `most_seconds`. Raises `Refusal("bad_header")`."""
    value = inbound.single_fields.get(b"gateway-timeout")
    if value is None:
        return most_seconds
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    if seconds <= 0:
        raise Refusal("bad_header", "Gateway-Timeout is a number of seconds above 0, such as 2.5.")
    return min(seconds, most_seconds)
