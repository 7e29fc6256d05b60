"""pipecat hangs up when its pipeline ends. Message and call are made here by aiohttp, which it uses too."""

import asyncio
import json
import os

import aiohttp
from pipecat.frames.frames import EndFrame
from pipecat.serializers.twilio import TwilioFrameSerializer

account, password, text = os.environ["ACCOUNT"], os.environ["PASSWORD"], os.environ["TEXT"]
root = os.environ.get("BASE", "https://api.twilio.com")
resources = f"{root}/2010-04-01/Accounts/{account}"
parties = {"To": "+15005550009", "From": "+15005550006"}


async def main() -> None:
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(account, password)) as session:
        async with session.post(f"{resources}/Messages.json", data=parties | {"Body": text}) as answer:
            sid = (await answer.json())["sid"]
        form = parties | {
            "Twiml": "<Response><Connect><Stream url='wss://example.com'/></Connect></Response>"
        }
        async with session.post(f"{resources}/Calls.json", data=form) as answer:
            call = (await answer.json())["sid"]
        serializer = TwilioFrameSerializer(
            "MZ" + "0" * 32, call, account, password, base_url=os.environ.get("BASE")
        )
        await serializer.serialize(EndFrame())
        async with session.get(f"{resources}/Calls/{call}.json") as answer:
            status = (await answer.json())["status"]
    print(json.dumps({"sid": sid[:2], "own": status == "completed"}))


asyncio.run(main())
