"""The async SDK of Python, which obeys no proxy variable."""

import asyncio
import json
import os

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client


async def main() -> None:
    """Create a message, and list messages over pages."""
    text = os.environ["TEXT"]
    async with AsyncTwilioHttpClient() as http_client:
        client = Client(
            os.environ["USERNAME"], os.environ["PASSWORD"], os.environ["ACCOUNT"], http_client=http_client
        )
        if base := os.environ.get("BASE"):
            client.api.base_url = base
        made = await client.messages.create_async(to="+15005550009", from_="+15005550006", body=text)
        texts = [each.body for each in await client.messages.list_async(limit=5, page_size=2)]
        print(json.dumps({"sid": made.sid[:2], "listed": len(texts), "own": text in texts}))


asyncio.run(main())
