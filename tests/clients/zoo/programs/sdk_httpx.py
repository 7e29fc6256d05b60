"""twilio-python-async, over httpx: it sends, and lists one page."""

import asyncio
import json
import os

from twilio_async import AsyncClient

text = os.environ["TEXT"]


async def main() -> None:
    async with AsyncClient(os.environ["ACCOUNT"], os.environ["PASSWORD"]) as client:
        made = await client.message_create(text, "+15005550009", from_="+15005550006")
        listed = await client.get_message_logs(page_size=5)
    texts = [message.body for message in listed.messages]
    print(json.dumps({"sid": made.sid[:2], "listed": len(texts), "own": text in texts}))


asyncio.run(main())
