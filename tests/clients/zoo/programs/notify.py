"""apprise: it sends, and lists nothing."""

import json
import os

import apprise

notifier = apprise.Apprise()
notifier.add(f"twilio://{os.environ['ACCOUNT']}:{os.environ['PASSWORD']}@15005550006/15005550009")
sent = notifier.notify(body=os.environ["TEXT"])
print(json.dumps({"sid": "SM" if sent else ""}))
