"""The file's `credentials:`: Twilio accounts, and what proves that we may use them.

Owns the names beneath `credentials.<name>`. Checks across credentials are in `config/checking/`.
"""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from gateway.config.schema import values
from gateway.config.schema.secret_values import MAPPING, TEXT, OrReference, SecretRef, form_of
from gateway.config.schema.values import Section


class ApiKeySettings(Section):
    """A Twilio API key."""

    sid: OrReference[values.KeySid] = Field(description="Its SID, `SK…`.")
    secret: SecretRef = Field(description="Its secret, by reference.")


class Subaccount(Section):
    """A subaccount with keys of its own; without any, those of its credential are used."""

    account_sid: OrReference[values.AccountSid] = Field(description="Its SID, `AC…`.")
    keys: tuple[ApiKeySettings, ...] = Field(default=(), description="Its own API keys, tried in this order.")
    auth_token: SecretRef | None = Field(
        default=None, description="Its AuthToken, by reference. Twilio advises it for local tests only."
    )


SubaccountEntry = Annotated[
    Annotated[values.AccountSid, Tag(TEXT)] | Annotated[Subaccount, Tag(MAPPING)], Discriminator(form_of)
]


class CredentialGuardSettings(Section):
    """What the repeat guard may do at an account."""

    ask: bool = Field(
        default=False,
        description="Whether Twilio is asked about a message or call whose answer was lost: the "
        "gateway looks at the account's list. It states that no other program sends with this account, or "
        "that a "
        "mistaken match is acceptable (`docs/at-most-once.md`). The keys must be allowed to list and fetch "
        "messages and calls.",
    )


class CredentialSettings(Section):
    """A Twilio account and how to prove that we may use it. Needs `keys` or `auth_token`."""

    account_sid: OrReference[values.AccountSid] = Field(description="The account's SID, `AC…`.")
    keys: tuple[ApiKeySettings, ...] = Field(
        default=(), description="API keys; the next is used when Twilio answers 401 to the one before it."
    )
    auth_token: SecretRef | None = Field(
        default=None,
        description="The AuthToken, by reference, used after `keys`. Twilio advises it for local tests only.",
    )
    subaccounts: tuple[SubaccountEntry, ...] = Field(
        default=(),
        description="Subaccounts that consumers may name in a path: `AC…`, or one with its own keys.",
    )
    region: values.Label = Field(
        default="us1",
        description="The region of Twilio: `us1`, `ie1`, `au1`, `jp1`; another one needs `edge`.",
    )
    edge: values.Label | None = Field(
        default=None,
        description="The edge. By default none for `us1`; `dublin`, `sydney`, `tokyo` for the others.",
    )
    repeat_guard: CredentialGuardSettings = Field(default_factory=CredentialGuardSettings)
