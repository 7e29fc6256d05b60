#!/bin/sh
# twilio 9.13.0 (Python), its async client with OAuth credentials (ClientCredentialProvider): ten messages at once, a token endpoint that takes a
# second, and a program that has not set up logging.
#
# Guess: the async client fetches its token by its own async HTTP client; if ten calls begin at once, then with one token for all. Logging is
# left to the program, as with a login by AccountSid and Auth Token.
#
# Seen: one token for all. But it is fetched by another, synchronous client, inside the event loop: nothing else in the process runs until
# it is there, no health check and no other request, and that client has no time-out. And making the credentials' strategy calls
# `logging.basicConfig(level=INFO)`: from then on every library of the process that logs at INFO writes to standard error, the SDK
# itself about ten lines for each request, in which the phone numbers of a list's filters stand.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
cat > run.py <<'PY'
import asyncio
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from twilio.credential.client_credential_provider import ClientCredentialProvider
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

seen = []


class Twilio(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        seen.append(self.path)
        answer = {"sid": "SM"}
        if self.path == "/v2/token":
            time.sleep(1)
            answer = {"access_token": jwt.encode({"exp": time.time() + 3600}, "k" * 32), "expires_in": 3600}
        body = json.dumps(answer).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


async def main(url):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += len(seen) <= 1  # only the request for the token has come, or none

    provider = ClientCredentialProvider("OQ0", "secret")
    before = logging.getLogger().getEffectiveLevel()
    provider.to_auth_strategy().token_manager.client.oauth.base_url = url
    print("root logger:", logging.getLevelName(before), "before,", logging.getLevelName(logging.getLogger().level), "after")
    async with AsyncTwilioHttpClient() as http_client:
        client = Client(account_sid="AC" + 32 * "0", credential_provider=provider, http_client=http_client)
        client.api.base_url = url
        ticking = asyncio.create_task(tick())
        calls = [client.messages.create_async(to="+15005550006", from_="+15005550001", body="x") for _ in range(10)]
        await asyncio.gather(*calls)
        ticking.cancel()
    print("token requests:", seen.count("/v2/token"), "messages:", len(seen) - seen.count("/v2/token"))
    print("the loop ran while the token was fetched:", ticks > 3)


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(main(f"http://127.0.0.1:{server.server_port}"))
PY
TWILIO_ACCOUNT_SID='' TWILIO_AUTH_TOKEN='' venv/bin/python run.py 2>err | tee seen
cat > want <<'END'
root logger: WARNING before, INFO after
token requests: 1 messages: 10
the loop ran while the token was fetched: False
END
diff want seen || { cat err; exit 1; }
grep -c '^INFO:twilio' err >/dev/null
