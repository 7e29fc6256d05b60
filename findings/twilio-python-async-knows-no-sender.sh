#!/bin/sh
# twilio-python-async 0.2.3 (httpx, pydantic): the sender of a message that it has just sent, a list that Twilio refuses, and a batch of
# three of which Twilio refuses the second.
#
# Guess: `from_` of the answer is the sender, since that is what `from_` of the call is; a refused list raises httpx.HTTPStatusError, as a
# refused create does; a batch returns what was sent and what was not, one by one.
#
# Seen: `from_` is None, always: the model looks for a field called "field". A refused list raises pydantic's ValidationError
# about missing fields, because `raise_for_status` is named and not called. The batch raises the one refusal: the other two are
# sent, and their SIDs are in no result.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check twilio-python-async==0.2.3 httpx==0.28.1 2>/dev/null
cat > run.py <<'PY'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from twilio_async import AsyncClient
from twilio_async.models.message import MessageSend

ARRIVED = threading.Barrier(3)
NOW = "Sun, 29 Nov 2026 12:00:00 +0000"
sent = []


class Twilio(BaseHTTPRequestHandler):
    """Sends to all numbers but +15557120002, and lists nothing."""

    def do_GET(self) -> None:
        self.answer(403, {"status": 403, "code": 20003, "message": "Not allowed"})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        to, sender, body = form["To"][0], form["From"][0], form["Body"][0]
        if body == "batch":
            ARRIVED.wait(30)  # all three are under way
        if to == "+15557120002":
            return self.answer(400, {"status": 400, "code": 21211, "message": "Invalid 'To'"})
        sent.append(to)
        uri = "/2010-04-01/Accounts/AC/Messages/SM.json"
        texts = {"body": body, "to": to, "from": sender, "direction": "outbound-api", "status": "queued", "uri": uri}
        dates = {"date_created": NOW, "date_updated": NOW, "date_sent": None}
        counts = {"num_segments": "1", "num_media": "0"}
        sids = {"sid": "SM" + "0" * 32, "account_sid": "AC" + "0" * 32, "api_version": "2010-04-01"}
        self.answer(201, texts | dates | counts | sids | {"subresource_uris": {"media": uri}})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()


async def main() -> None:
    client = AsyncClient("AC" + "0" * 32, "token")
    client._http_client.base_url = f"http://127.0.0.1:{server.server_port}/"
    message = await client.message_create("hi", "+15557120001", from_="+15557120009")
    print(f"to {message.to}, from {message.from_}")
    try:
        await client.get_message_logs()
    except Exception as error:
        print(f"list: {type(error).__name__}, {error.error_count()} fields are missing")
    sent.clear()
    numbers = [f"+1555712000{number}" for number in (1, 2, 3)]
    try:
        print(await client.batch_message_create([MessageSend(body="batch", to=to, from_="+15557120009") for to in numbers]))
    except Exception as error:
        print(f"batch: {type(error).__name__} {error.response.status_code}")
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    print(f"sent: {sorted(sent)}")
    await client.aclose()


asyncio.run(main())
PY
venv/bin/python run.py 2>/dev/null | tee seen
cat > want <<'END'
to +15557120001, from None
list: ValidationError, 7 fields are missing
batch: HTTPStatusError 400
sent: ['+15557120001', '+15557120003']
END
diff want seen
