"""The simulated Twilio and the webhook port: status callbacks, messages, calls, repeats, wrong signatures."""

import asyncio
import json
import os
import sys
from collections import Counter
from random import Random

import aiohttp
import pytest
from aiohttp import web
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from tests.support.running import ACCOUNT_SID
from tests.support.webhooks import (
    AUTH_TOKEN,
    PUBLIC_URL,
    SECRETS,
    SHARED,
    SHARED_KEY,
    SHARED_SECRET,
    WebhookScene,
    message,
    webhook_scene,
)
from twilio_simulator import (
    CallbackTimes,
    CallPlayer,
    SimulatedAccount,
    SimulatedKey,
    Simulator,
    StatusCallbacks,
    WebhookSecret,
    WebhookSender,
)

CALL = {"CallSid": "CA" + "1f" * 16, "AccountSid": ACCOUNT_SID, "From": "+14155551212", "To": "+18005551212"}
SHARE = WebhookSecret(SHARED_SECRET, 50, SHARED_KEY, "HMAC_SHA256")


def sender(scene: WebhookScene, *secrets: WebhookSecret, **more: bool | int) -> WebhookSender:
    found = secrets or (WebhookSecret(AUTH_TOKEN),)
    return WebhookSender(found, connect_to=scene.twilio.url, random=Random(7), **more)  # type: ignore[arg-type]


ROWS = {
    "without a service": ({"From": "+15005550001", "To": "+15005550006"}, ["sent", "delivered"]),
    "undelivered": ({"From": "+15005550001", "To": "+15005550009"}, ["sent", "undelivered"]),
    "failed": ({"From": "+15005550001", "To": "+15005550010"}, ["failed"]),
    "with a service": (
        {"MessagingServiceSid": "MG" + "0" * 32, "To": "+15005550006"}, ["queued", "sent", "delivered"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "in any order"])
@pytest.mark.parametrize(("form", "statuses"), ROWS.values(), ids=ROWS)
async def test_callbacks_of_a_message(form: dict[str, str], statuses: list[str], shuffled: bool) -> None:
    key = SimulatedKey("SK" + "0" * 32, "secret")
    account = SimulatedAccount(ACCOUNT_SID, AUTH_TOKEN, (key,))
    async with webhook_scene() as scene:
        callbacks = StatusCallbacks(sender(scene), times=CallbackTimes(0, shuffled))
        async with Simulator([account], callbacks=callbacks) as simulator, aiohttp.ClientSession() as session:
            url = f"{simulator.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
            body = {**form, "Body": "Hello", "StatusCallback": f"{PUBLIC_URL}/voice/orders/status"}
            fields = {
                "Authorization": aiohttp.encode_basic_auth(key.sid, key.secret),
                "Host": "api.twilio.com",
            }
            async with session.post(url, data=body, headers=fields) as answer:
                assert answer.status == 201
            await callbacks.settle()
        assert all(seen.valid for seen in scene.service.seen)
        found = [
            dict(part.split("=") for part in seen.body.decode().split("&")) for seen in scene.service.seen
        ]
        order = [each["MessageStatus"] for each in found]
        assert sorted(order) == sorted(statuses) if shuffled else order == statuses
        assert all(
            ("ErrorCode" in each) is (each["MessageStatus"] in ("undelivered", "failed")) for each in found
        )


async def test_a_call_is_followed() -> None:
    async def answer(request: web.Request) -> web.Response:
        own = f"http://{request.host}/twilio"
        response = VoiceResponse()
        match request.path.rpartition("/")[2]:
            case "start":
                response.append(Gather(action=f"{own}/menu", num_digits=1))
                response.say("Nothing was pressed")
            case "menu":
                form = await request.post()
                response.redirect("/twilio/record" if form["Digits"] == "1" else "/twilio/bye")
            case "record":
                response.record(action="recorded")
            case "recorded":
                response.append(Dial("+14155551212", action=f"{own}/dialled"))
            case _:
                response.hangup()
        reply = web.Response(text=str(response), content_type="text/xml")
        reply.set_cookie("last", request.path.rpartition("/")[2])
        return reply

    async with webhook_scene() as scene, sender(scene) as twilio:
        scene.service.answer = answer
        url = f"{PUBLIC_URL}/voice/orders/start"
        played = await CallPlayer(twilio, ("1",)).play(url, CALL)
        assert (played.verbs, played.ended) == (["Gather", "Redirect", "Record", "Dial", "Hangup"], "hung up")
        assert [seen.url for seen in scene.service.seen] == [
            f"/twilio/{step}" for step in ("start", "menu", "record", "recorded", "dialled")
        ]
        assert all(seen.valid for seen in scene.service.seen)
        assert scene.service.seen[-1].headers["Cookie"] == "last=recorded"
        quiet = await CallPlayer(twilio).play(url, CALL)
        assert (quiet.verbs, quiet.ended) == (["Gather", "Say"], "hung up")


async def test_repeats_and_wrong_signatures() -> None:
    async with webhook_scene() as scene:
        async with sender(scene, repeats=2) as twilio:
            await twilio.send(f"{PUBLIC_URL}/sms/orders", message())
            assert [each.status for each in twilio.sent] == [200] * 3
            assert len(scene.service.seen) == 1
            assert (await twilio.send_json(f"{PUBLIC_URL}/voice/orders/e?x=1", b'{"a": 1}')).status == 200
            assert (await twilio.send(f"{PUBLIC_URL}/sms/orders?y=1", message(), method="GET")).status == 200
        async with sender(scene, wrong_signature=True) as twilio:
            assert (await twilio.send(f"{PUBLIC_URL}/sms/orders", message())).status == 403


async def test_half_of_the_traffic_is_signed_by_another_secret() -> None:
    async with webhook_scene(secrets=[*SECRETS, SHARED]) as scene:
        async with sender(scene, WebhookSecret(AUTH_TOKEN, 50), SHARE) as twilio:
            for number in range(60):
                await twilio.send(f"{PUBLIC_URL}/sms/orders", message(Body=str(number)))
        assert {each.status for each in twilio.sent} == {200}
        used = Counter(event["secret"] for event in await scene.logged(60))
        assert used.keys() == {"env:TWILIO_AUTH_TOKEN", "env:TWILIO_SHARED_SECRET"}
        assert min(used.values()) > 15


async def test_the_command_sends_an_inbound_message() -> None:
    async with webhook_scene() as scene:
        command = [
            sys.executable, "-m", "gateway", "simulate", "inbound", "message", f"{PUBLIC_URL}/sms/orders",
            "--connect-to", scene.twilio.url, "--form", "Body=Grüße",
        ]  # fmt: skip
        environ = {**os.environ, "TWILIO_AUTH_TOKEN": AUTH_TOKEN, "TWILIO_ACCOUNT_SID": ACCOUNT_SID}
        for extra, code in ([], 0), (["--wrong-signature"], 1):
            process = await asyncio.create_subprocess_exec(
                *command, *extra, env=environ, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(process.communicate(), 180)
            assert process.returncode == code
            assert json.loads(output)["requests"][0]["status"] == (403 if extra else 200)
        (seen,) = scene.service.seen
        assert seen.valid
