"""The SDK of Python, from 6 on: it creates a message and lists messages over pages."""

import json
import os

from twilio.rest import Client

text = os.environ["TEXT"]
client = Client(os.environ["USERNAME"], os.environ["PASSWORD"], os.environ["ACCOUNT"])
if base := os.environ.get("BASE"):
    client.api.base_url = base
made = client.messages.create(to="+15005550009", from_="+15005550006", body=text)
texts = [each.body for each in client.messages.list(limit=5, page_size=2)]
print(json.dumps({"sid": made.sid[:2], "listed": len(texts), "own": text in texts}))
