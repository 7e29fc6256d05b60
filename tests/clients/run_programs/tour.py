"""A program with the twilio package, as a service would have it: it knows neither a proxy nor the gateway."""

import json
import os
import sys

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

client = Client()
try:
    made = [
        client.messages.create(to="+15005550006", from_="+15005550001", body=f"python {n}") for n in range(5)
    ]
except TwilioRestException as error:
    print(json.dumps({"refused": error.status, "message": error.msg}))
    sys.exit(3)
page = client.messages.page(page_size=2)
pages, listed = 0, 0
while page is not None:
    listed += len(list(page))
    pages += 1
    page = page.next_page()
updated = client.messages(made[0].sid).update(body="")
result = {
    "pages": pages,
    "listed": listed,
    "updated": updated.body,
    "deleted": client.messages(made[0].sid).delete(),
}
print(json.dumps(result | {"other": requests.get(os.environ["OTHER_URL"], timeout=20).text}))
