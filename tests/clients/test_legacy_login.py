"""A program with an AccountSid and an Auth Token burnt in: what it was built with is now a key of ours.

The token is no longer Twilio's; only its digest stands in the configuration. The SDKs' runs with the same
login are in test_python_sdk.py and test_node_sdk.py.
"""

import pytest

from tests.clients.programs import Curl
from tests.clients.scene import OLD_TOKEN, WRONG_KEY, Scene
from tests.support.running import ACCOUNT_SID, KEY
from twilio_simulator import DEFAULT_AUTH_TOKEN

_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
_SEEN = "api.twilio.com /2010-04-01/Accounts/{account}/Messages"
_MESSAGE = ("-d", "To=%2B15551112222&From=%2B15553334444&Body=hello")


@pytest.mark.parametrize("username", [ACCOUNT_SID, "fax-server"])
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
async def test_old_login_works(username: str, version: str, curl: Curl, scene: Scene) -> None:
    call = ("-u", f"{username}:{OLD_TOKEN}", version, "-H", "Host: api.twilio.com")
    made = await curl(*call, *_MESSAGE, f"{scene.url}{_PATH}.json")
    assert made.status == 201
    deleted = await curl(*call, "-X", "DELETE", f"{scene.url}{_PATH}/{made.json['sid']}.json")
    assert deleted.status == 204
    assert scene.reached() == [f"POST {_SEEN}.json", f"DELETE {_SEEN}/SM….json"]
    assert scene.created() == {"messages": 1}
    logged = await scene.logged(2)
    assert {line["consumer"] for line in logged} == {"fax-server"}


async def test_old_token_opens_nothing_at_twilio(curl: Curl, scene: Scene) -> None:
    reply = await curl("-u", f"{ACCOUNT_SID}:{OLD_TOKEN}", f"{scene.simulator.url}{_PATH}.json")
    assert (reply.status, reply.json["code"]) == (401, 20003)
    scene.simulator.reset()  # this one did not come through the gateway


@pytest.mark.parametrize(
    ("username", "key"),
    [
        pytest.param(ACCOUNT_SID, WRONG_KEY, id="wrong-token"),
        pytest.param(ACCOUNT_SID, DEFAULT_AUTH_TOKEN, id="real-auth-token-of-the-account"),
        pytest.param(ACCOUNT_SID, KEY, id="key-of-another-consumer"),
        pytest.param("AC" + "f" * 32, OLD_TOKEN, id="another-account-sid"),
        pytest.param("app", OLD_TOKEN, id="name-of-another-consumer"),
    ],
)
async def test_only_the_pair_that_belongs_together(username: str, key: str, curl: Curl, scene: Scene) -> None:
    reply = await curl("-u", f"{username}:{key}", *_MESSAGE, f"{scene.url}{_PATH}.json")
    assert (reply.status, reply.json["code"], reply.ours) == (401, 20003, "unknown_consumer")
    assert scene.reached() == []
