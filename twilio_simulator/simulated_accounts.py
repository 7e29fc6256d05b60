"""What an account and its API keys are, and the ones the simulator has unless told otherwise.

The default secrets are public on purpose and worth nothing: they open only this simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class KeyKind(StrEnum):
    """Twilio's three kinds of API key (https://www.twilio.com/docs/iam/api-keys)."""

    MAIN = "main"
    STANDARD = "standard"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class SimulatedKey:
    """One API key. `permissions` (restricted keys only) are prefixes such as `/twilio/messaging/messages`."""

    sid: str
    secret: str = field(repr=False)
    kind: KeyKind = KeyKind.MAIN
    permissions: tuple[str, ...] = ()
    friendly_name: str = ""

    def permits(self, permission: str) -> bool:
        """Whether a restricted key holds `permission` or one of the prefixes above it."""
        return any(
            permission == held or permission.startswith(held.rstrip("/") + "/") for held in self.permissions
        )


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """One account; a subaccount names its `parent`, whose credentials work for it too."""

    sid: str
    auth_token: str = field(repr=False)
    keys: tuple[SimulatedKey, ...] = ()
    friendly_name: str = "Simulator"
    parent: str | None = None


DEFAULT_ACCOUNT_SID: Final = "AC00112233445566778899aabbccddeeff"
DEFAULT_AUTH_TOKEN: Final = "simulator-only-auth-token"  # noqa: S105 - opens only the simulator
DEFAULT_API_KEY: Final = "SK00112233445566778899aabbccddeeff"
DEFAULT_API_SECRET: Final = "simulator-only-api-secret"  # noqa: S105 - opens only the simulator

DEFAULT_ACCOUNT: Final = SimulatedAccount(
    sid=DEFAULT_ACCOUNT_SID,
    auth_token=DEFAULT_AUTH_TOKEN,
    keys=(SimulatedKey(DEFAULT_API_KEY, DEFAULT_API_SECRET),),
)
