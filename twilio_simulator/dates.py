"""Twilio's two date formats, from Unix time in seconds.

A second is formatted once, not once a request: at full speed thousands of records share it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


def rfc2822_stamp(now: float) -> str:
    """`Thu, 30 Jul 2020 20:12:31 +0000`, as the 2010 API writes it."""
    return _rfc2822(int(now))


def iso_stamp(now: float) -> str:
    """`2020-07-30T20:12:31Z`, as the product APIs write it."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_day(now: float) -> str:
    """`2020-07-30`, which Twilio's date filters compare with."""
    return iso_stamp(now)[:10]


@lru_cache(maxsize=64)
def _rfc2822(second: int) -> str:
    return formatdate(second).replace("-0000", "+0000")
