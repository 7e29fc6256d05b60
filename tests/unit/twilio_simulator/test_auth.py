"""Who may see what, by credential and path."""

from __future__ import annotations

import pytest

from tests.unit.twilio_simulator.conftest import (
    MAIN,
    MAIN_KEY,
    MESSAGE,
    OTHER,
    RESTRICTED_KEY,
    STANDARD_KEY,
    SUB,
    Caller,
    account_path,
    basic,
)
from twilio_simulator import SimulatedAccount, SimulatedKey, Simulator

TOKEN = basic(MAIN, "main-token")
KEY = basic(MAIN_KEY, "main-secret")
STANDARD = basic(STANDARD_KEY, "standard-secret")
RESTRICTED = basic(RESTRICTED_KEY, "restricted-secret")
SUB_TOKEN = basic(SUB, "sub-token")

ROWS = [
    pytest.param(None, "GET", account_path("/Messages.json"), 401, 20003, id="no credentials"),
    pytest.param(basic(MAIN, "wrong"), "GET", account_path("/Messages.json"), 401, 20003, id="wrong token"),
    pytest.param(basic(MAIN_KEY, "x"), "GET", account_path("/Messages.json"), 401, 20003, id="wrong secret"),
    pytest.param(basic("nobody", "x"), "GET", account_path("/Messages.json"), 401, 20003, id="unknown name"),
    pytest.param("Bearer abc", "GET", account_path("/Messages.json"), 401, 20003, id="bearer"),
    pytest.param("Basic ???", "GET", account_path("/Messages.json"), 401, 20003, id="not base64"),
    pytest.param("Basic YWJj", "GET", account_path("/Messages.json"), 401, 20003, id="no colon"),
    pytest.param(TOKEN, "GET", account_path("/Messages.json"), 200, None, id="token"),
    pytest.param(KEY, "GET", account_path("/Messages.json"), 200, None, id="main key"),
    pytest.param(
        TOKEN, "GET", account_path("/Messages.json", SUB), 200, None, id="parent's token, subaccount"
    ),
    pytest.param(KEY, "GET", account_path("/Messages.json", SUB), 200, None, id="parent's key, subaccount"),
    pytest.param(SUB_TOKEN, "GET", account_path("/Messages.json", SUB), 200, None, id="subaccount's own"),
    pytest.param(
        SUB_TOKEN, "GET", account_path("/Messages.json"), 401, 20003, id="subaccount, parent's path"
    ),
    pytest.param(TOKEN, "GET", account_path("/Messages.json", OTHER), 401, 20003, id="another's account"),
    pytest.param(TOKEN, "GET", account_path(".json", OTHER), 401, 20003, id="another's account itself"),
    pytest.param(TOKEN, "GET", account_path(".json", "AC" + "9" * 32), 401, 20003, id="no such account"),
    pytest.param(KEY, "GET", account_path(".json"), 200, None, id="main key, account"),
    pytest.param(KEY, "GET", account_path("/Keys.json"), 200, None, id="main key, keys"),
    pytest.param(STANDARD, "GET", account_path("/Messages.json"), 200, None, id="standard key"),
    pytest.param(STANDARD, "GET", "/2010-04-01/Accounts.json", 401, 20003, id="standard key, accounts"),
    pytest.param(STANDARD, "GET", account_path(".json"), 401, 20003, id="standard key, account"),
    pytest.param(STANDARD, "POST", account_path(".json"), 401, 20003, id="standard key, account update"),
    pytest.param(STANDARD, "GET", account_path("/Keys.json"), 401, 20003, id="standard key, keys"),
    pytest.param(
        STANDARD, "POST", account_path("/SigningKeys.json"), 401, 20003, id="standard, signing keys"
    ),
    pytest.param(RESTRICTED, "POST", account_path("/Messages.json"), 201, None, id="restricted key, allowed"),
    pytest.param(RESTRICTED, "GET", account_path("/Messages.json"), 403, 70051, id="restricted key, list"),
    pytest.param(RESTRICTED, "POST", account_path("/Calls.json"), 403, 70051, id="restricted key, calls"),
    pytest.param(RESTRICTED, "GET", account_path(".json"), 403, 70051, id="restricted key, account"),
]


@pytest.mark.parametrize(("authorization", "method", "path", "status", "code"), ROWS)
async def test_credentials(
    caller: Caller, authorization: str | None, method: str, path: str, status: int, code: int | None
) -> None:
    caller.authorization = authorization
    reply = await caller.send(method, path, data=MESSAGE if method == "POST" else None)
    assert (reply.status, reply.json.get("code")) == (status, code)
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
        assert reply.json == {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        }


async def test_refusal_in_xml(caller: Caller) -> None:
    caller.authorization = None
    reply = await caller.get(account_path("/Messages"))
    assert reply.headers["Content-Type"] == "application/xml"
    assert reply.body == (
        b"<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Code>20003</Code>"
        b"<Message>Authenticate</Message><MoreInfo>https://www.twilio.com/docs/errors/20003</MoreInfo>"
        b"<Status>401</Status></RestException></TwilioResponse>"
    )


async def test_refused_create_creates_nothing(simulator: Simulator, caller: Caller) -> None:
    caller.authorization = basic(MAIN, "wrong")
    await caller.post(account_path("/Messages.json"), data=MESSAGE)
    assert simulator.counts()["created"] == {}


async def test_created_key_works_until_deleted(caller: Caller) -> None:
    made = (await caller.post(account_path("/Keys.json"), data={"FriendlyName": "new"})).json
    as_key = Caller(caller.session, caller.base_url, basic(made["sid"], made["secret"]))
    assert (await as_key.get(account_path("/Messages.json"))).status == 200
    assert (await as_key.get(account_path(".json"))).status == 401  # such keys are Standard
    shown = (await caller.get(account_path(f"/Keys/{made['sid']}.json"))).json
    assert "secret" not in shown
    assert (await caller.send("DELETE", account_path(f"/Keys/{made['sid']}.json"))).status == 204
    assert (await as_key.get(account_path("/Messages.json"))).status == 401


async def test_key_revoked_from_the_test(simulator: Simulator, caller: Caller) -> None:
    caller.authorization = KEY
    simulator.directory.revoke_key(MAIN_KEY)
    assert (await caller.get(account_path("/Messages.json"))).status == 401
    simulator.reset()
    assert (await caller.get(account_path("/Messages.json"))).status == 200


def test_no_secret_in_repr() -> None:
    account = SimulatedAccount(MAIN, "s3cret-token", (SimulatedKey(MAIN_KEY, "s3cret-key"),))
    assert "s3cret" not in repr(account)
