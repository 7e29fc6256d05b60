"""A Twilio-like upstream, for demos and tests.

It answers as Twilio does, counts what it created, and fails on demand. It knows nothing of the gateway,
and the gateway's data path knows nothing of it.
"""

from gateway.simulator.accounts import (
    DEFAULT_ACCOUNT,
    DEFAULT_ACCOUNT_SID,
    DEFAULT_API_KEY,
    DEFAULT_API_SECRET,
    DEFAULT_AUTH_TOKEN,
    Account,
    ApiKey,
    KeyKind,
)
from gateway.simulator.faults import FAULTS, Faults, FaultSyntaxError
from gateway.simulator.journal import Entry, Journal
from gateway.simulator.server import Simulator
from gateway.simulator.store import Store

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_ACCOUNT_SID",
    "DEFAULT_API_KEY",
    "DEFAULT_API_SECRET",
    "DEFAULT_AUTH_TOKEN",
    "FAULTS",
    "Account",
    "ApiKey",
    "Entry",
    "FaultSyntaxError",
    "Faults",
    "Journal",
    "KeyKind",
    "Simulator",
    "Store",
]
