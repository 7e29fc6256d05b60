"""The tours as the twilio package from npm takes them: `node/tours.mjs`, each run a process of its own."""

import json
from typing import Any

from tests.clients.pointing import Login
from tests.clients.programs import NODE_FOLDER, run_program


async def run_tour(
    node: str, gateway: str, tour: str, way: str, login: Login, argument: object = None
) -> Any:
    """What a function of `node/tours.mjs` gives for a client pointed at `gateway` in one of the ways."""
    settings = {
        "tour": tour,
        "argument": argument,
        "way": way,
        "gateway": gateway,
        "username": login.username,
        "password": login.password,
        "accountSid": login.account_sid,
    }
    output = await run_program([node, "run.mjs"], NODE_FOLDER, json.dumps(settings).encode())
    return json.loads(output)
