"""A Twilio-like upstream, for demos and tests.

It answers as Twilio does, counts what it created, and fails on demand. It knows nothing of the gateway,
and the gateway's data path knows nothing of it.
"""

from twilio_simulator.call_player import CallPlayer, PlayedCall
from twilio_simulator.created_resources import ResourceStore
from twilio_simulator.faults import FAULTS, Faults, FaultSyntaxError
from twilio_simulator.journal import Entry, Journal
from twilio_simulator.simulated_accounts import (
    DEFAULT_ACCOUNT,
    DEFAULT_ACCOUNT_SID,
    DEFAULT_API_KEY,
    DEFAULT_API_SECRET,
    DEFAULT_AUTH_TOKEN,
    KeyKind,
    SimulatedAccount,
    SimulatedKey,
)
from twilio_simulator.simulator import Simulator
from twilio_simulator.status_callbacks import CallbackTimes, StatusCallbacks
from twilio_simulator.webhook_sender import SentWebhook, WebhookSender
from twilio_simulator.webhook_signing import WebhookSecret

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_ACCOUNT_SID",
    "DEFAULT_API_KEY",
    "DEFAULT_API_SECRET",
    "DEFAULT_AUTH_TOKEN",
    "FAULTS",
    "CallPlayer",
    "CallbackTimes",
    "Entry",
    "FaultSyntaxError",
    "Faults",
    "Journal",
    "KeyKind",
    "PlayedCall",
    "ResourceStore",
    "SentWebhook",
    "SimulatedAccount",
    "SimulatedKey",
    "Simulator",
    "StatusCallbacks",
    "WebhookSecret",
    "WebhookSender",
]
