"""Errors beneath `credentials:`: the line, the name, and what is said."""

import pytest

from tests.unit.config.conftest import ACCOUNT_SID, CONSUMERS, CREDENTIALS, Write, cases, complaint

NOT_A_REFERENCE = "must hold one of env, file, vault, aws and gcp, and nothing else; write {env: NAME}, {file"

CREDENTIAL = cases(
    ("sid", "account_sid: AC1", "3: credentials.main.account_sid: not an AccountSid; it is AC and"),
    ("sid_number", "account_sid: 12", f"3: credentials.main.account_sid: {NOT_A_REFERENCE}"),
    ("sid_value", "account_sid: {env: KEY_SID}", "3: credentials.main.account_sid: the value of env:KEY_SID"),
    ("literal", "auth_token: abc", "3: credentials.main.auth_token: a secret must not stand in the file its"),
    ("two", "auth_token: {env: A, file: b}", f"3: credentials.main.auth_token: {NOT_A_REFERENCE}"),
    ("misspelt", "auth_token: {evn: A}", f"3: credentials.main.auth_token: {NOT_A_REFERENCE}"),
    ("none", "auth_token: {}", f"3: credentials.main.auth_token: {NOT_A_REFERENCE}"),
    ("null", "auth_token: {env: null}", f"3: credentials.main.auth_token: {NOT_A_REFERENCE}"),
    ("unset", "auth_token: {env: NONE}", "3: credentials.main.auth_token: the environment variable NONE is"),
    ("empty", "auth_token: {env: BLANK}", "3: credentials.main.auth_token: env:BLANK is empty; put the secr"),
    ("no_keys", "keys: []", "2: credentials.main: has neither an API key nor an auth token; add `keys:"),
    ("no_sid", "keys: [{secret: {env: KEY_SECRET}}]", "3: credentials.main.keys.0.sid: missing; add `sid: …"),
    ("region", "region: br1", "3: credentials.main.region: only us1, ie1, au1, jp1 have an edge of their ow"),
    ("region_form", "region: US1", "3: credentials.main.region: not a region's or edge's name; write us1"),
    ("edge", "edge: a.b", "3: credentials.main.edge: not a region's or edge's name"),
    ("subaccount", "subaccounts: [AC1]", "3: credentials.main.subaccounts.0: not an AccountSid"),
    ("own_account", f"subaccounts: [{ACCOUNT_SID}]", "3: credentials.main.subaccounts.0: this account is li"),
    ("subaccount_no_sid", "subaccounts: [{keys: []}]", "3: credentials.main.subaccounts.0.account_sid: miss"),
    ("subaccount_unknown", "subaccounts: [{account_sid: {env: KEY_SECRET}, kyes: []}]", "3: credentials.mai"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CREDENTIAL)
def test_credential(write: Write, text: str, expected: str) -> None:
    name = text.partition(":")[0]
    others = [line for line in CREDENTIALS.splitlines()[2:] if line.split(":")[0].strip() != name]
    path = write("\n".join(["credentials:", "  main:", f"    {text}", *others, CONSUMERS]))
    assert complaint(path, {"BLANK": ""}).startswith(f"gateway.yaml:{expected}")
