#!/bin/sh
# notifiers 2.0.0: its Twilio provider with `messaging_service_id` instead of `from`, which its schema allows ("either … or").
#
# Guess: the SID of the messaging service goes to Twilio as `MessagingServiceSid`, the only name that the API has for it, or the
# provider refuses the argument.
#
# Seen: names are made from the schema's own by their case alone, so it is sent as `MessagingServiceId`. The message has no sender
# that Twilio can see. The schema accepts it, and refuses the same value under the right name, `messaging_service_sid`, as long
# as no `from` is beside it.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check notifiers==2.0.0 2>/dev/null
cat > run.py <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from notifiers import get_notifier

received: list[str] = []


class Twilio(BaseHTTPRequestHandler):
    """Notes the names of a form, and says that all is well."""

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        received.append(", ".join(parse_qs(form)))
        body = b"{}"
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()
provider = get_notifier("twilio")
provider.base_url = f"http://127.0.0.1:{server.server_port}/Accounts/{{}}/Messages.json"
account = {"account_sid": "AC" + "0" * 32, "auth_token": "token"}
for name in ("from", "messaging_service_id", "messaging_service_sid"):
    received.clear()
    sender = "+15557122661" if name == "from" else "MG" + "0" * 32
    try:
        said = provider.notify(message="hi", to="+15557122662", **account, **{name: sender}).status
    except Exception as error:
        said = type(error).__name__
    print(f"{name}: {said}; sent: {', '.join(received) or 'nothing'}")
PY
venv/bin/python run.py 2>/dev/null | tee seen
cat > want <<'END'
from: Success; sent: To, From, Body
messaging_service_id: Success; sent: To, MessagingServiceId, Body
messaging_service_sid: BadArguments; sent: nothing
END
diff want seen
