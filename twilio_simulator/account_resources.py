"""What accounts and API keys of the 2010-04-01 API contain, and what making or deleting one opens or closes.

They are the resources that a gateway must guard: an account's answer holds its Auth Token.
"""

from __future__ import annotations

from twilio_simulator.core_resources import copy_fields
from twilio_simulator.created_resources import StoredResource
from twilio_simulator.empty_resources import ACCOUNT_CHILDREN
from twilio_simulator.received_request import API_VERSION
from twilio_simulator.resource_kinds import Context, Draft
from twilio_simulator.resource_values import Fields, Form
from twilio_simulator.simulated_accounts import KeyKind, SimulatedAccount, SimulatedKey


def account_fields(account: SimulatedAccount, stamp: str) -> Fields:
    """An account as Twilio shows it, the Auth Token included: that is why the gateway guards this route."""
    uri = f"/{API_VERSION}/Accounts/{account.sid}"
    return {
        "auth_token": account.auth_token,
        "date_created": stamp,
        "date_updated": stamp,
        "friendly_name": account.friendly_name,
        "owner_account_sid": account.parent or account.sid,
        "sid": account.sid,
        "status": "active",
        "subresource_uris": {name: f"{uri}/{path}.json" for name, path in ACCOUNT_CHILDREN.items()},
        "type": "Full",
        "uri": f"{uri}.json",
    }


def build_account(draft: Draft) -> Fields:
    """A new subaccount of the caller's account."""
    account = SimulatedAccount(
        sid=draft.sid,
        auth_token=draft.mint(""),
        friendly_name=draft.form.get("FriendlyName", f"SubAccount Created at {draft.stamp}"),
        parent=draft.account_sid,
    )
    return account_fields(account, draft.stamp)


def change_account(fields: Fields, form: Form) -> None:
    """The name and the status of an account."""
    copy_fields(fields, form, {"FriendlyName": "friendly_name", "Status": "status"})


def account_created(context: Context, record: StoredResource) -> None:
    """Open the new subaccount, and show it in its own scope too."""
    fields = record.fields
    account = SimulatedAccount(
        sid=record.sid,
        auth_token=str(fields["auth_token"]),
        friendly_name=str(fields["friendly_name"]),
        parent=str(fields["owner_account_sid"]),
    )
    context.directory.add(account)
    context.store.share("accounts", record.sid, record)


def build_key(draft: Draft) -> Fields:
    """A new API key; its secret is in the answer to the creation only."""
    name = draft.form.get("FriendlyName", "")
    return key_fields(draft.sid, name, draft.stamp) | {"secret": draft.mint("")}


def key_fields(sid: str, name: str, stamp: str) -> Fields:
    """A key as Twilio shows it later on: without its secret."""
    return {"sid": sid, "friendly_name": name, "date_created": stamp, "date_updated": stamp}


def change_key(fields: Fields, form: Form) -> None:
    """The name of a key."""
    copy_fields(fields, form, {"FriendlyName": "friendly_name"})


def key_created(context: Context, record: StoredResource) -> None:
    """Make the new key work; the 2010 API makes Standard keys."""
    key = SimulatedKey(record.sid, str(record.fields.pop("secret")), KeyKind.STANDARD)
    context.directory.add_key(context.account_sid, key)


def key_deleted(context: Context, record: StoredResource) -> None:
    """Make the key stop working."""
    context.directory.revoke_key(record.sid)
