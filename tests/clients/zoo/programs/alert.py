"""notifiers: it sends, and lists nothing."""

import json
import os

from notifiers import get_notifier

sent = get_notifier("twilio").notify(
    message=os.environ["TEXT"],
    to="+15005550009",
    from_="+15005550006",
    account_sid=os.environ["ACCOUNT"],
    auth_token=os.environ["PASSWORD"],
)
print(json.dumps({"sid": "SM" if sent.ok else sent.errors}))
