#!/bin/sh
# tap-twilio 0.2.2 (with singer-python and backoff as it pins them): a sync that meets one 429, one 500 or one broken connection.
#
# Guess: all three are retried. The function that sends is decorated with a backoff of seven tries, which names an error of 5xx,
# one of 429 and ConnectionError.
#
# Seen: only the 500 is. Nothing ever raises the error that the decorator names for a 429: it comes out as the general TwilioError,
# and ends the whole sync at the first one, whatever Retry-After says. And the ConnectionError that it names is Python's own,
# which is no base of the one that requests raises.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'setuptools<81' wheel 2>/dev/null
venv/bin/pip install -q --disable-pip-version-check --no-build-isolation tap-twilio==0.2.2 2>/dev/null
cat > run.py <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tap_twilio import client

failures: list[int] = []
received: list[str] = []


class Twilio(BaseHTTPRequestHandler):
    """Answers /once with the next of `failures` first (0 breaks the connection), and all else with an empty list."""

    def do_GET(self) -> None:
        status = 200
        if self.path == "/once":
            received.append(self.path)
            status = failures.pop() if failures else 200
        if status == 0:
            self.close_connection = True
            return
        body = b'{"messages": []}' if status == 200 else b'{"status": %d, "code": 20429, "message": "later"}' % status
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()
client.API_URL = f"http://127.0.0.1:{server.server_port}"
with client.TwilioClient("AC" + "0" * 32, "token") as twilio:
    for name, status in {"500": 500, "429": 429, "broken connection": 0}.items():
        received.clear()
        failures.append(status)
        try:
            result = twilio.request("GET", path="Messages", url=f"{client.API_URL}/once")
        except Exception as error:
            result = f"{type(error).__module__}.{type(error).__name__}"
        print(f"{name}: {len(received)} requests, {result}")
PY
venv/bin/python run.py 2>/dev/null | tee seen
cat > want <<'END'
500: 2 requests, {'messages': []}
429: 1 requests, tap_twilio.client.TwilioError
broken connection: 1 requests, requests.exceptions.ConnectionError
END
diff want seen
