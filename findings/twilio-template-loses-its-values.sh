#!/bin/sh
# twilio 9.13.0 (Python, sync and async) and twilio 6.2.0 (npm): `content_variables` of a message as a dict, beside `data` of a
# Sync document as a dict. Python's type for both is `Union[str, object]` or `object`.
#
# Guess: the SDK writes both as JSON, which is what the API wants and what it does with `data`; or it refuses the dict.
#
# Seen: `data` becomes JSON. `content_variables` does not: both of Python's clients send the *keys* alone, one parameter for each, so
# that the values never leave the machine, and no error comes before Twilio's. Node's, whose type is a string, sends an object as
# parameters of other names, `ContentVariables[1]`.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
npm install --silent --no-audit --no-fund twilio@6.2.0 >/dev/null
cat > run.py <<'PY'
import asyncio
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

forms = []


class Twilio(BaseHTTPRequestHandler):
    """Notes what a form says of variables and data."""

    def do_POST(self):
        form = parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode())
        forms.append([(name, value) for name, value in form if name.startswith(("Content", "Data"))])
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def said(name, call):
    forms.clear()
    try:
        call()
    except Exception as error:
        forms.append(type(error).__name__)
    print(f"{name}: {forms}", flush=True)


VARIABLES = {"1": "Anna", "2": "noon"}
MESSAGE = {"to": "+15557122662", "from_": "+15557122661", "content_variables": VARIABLES}
ACCOUNT = ("AC" + "0" * 32, "token")
server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"


async def create_async():
    async with AsyncTwilioHttpClient() as http:
        client = Client(*ACCOUNT, http_client=http)
        client.api.base_url = here
        await client.messages.create_async(**MESSAGE)


client = Client(*ACCOUNT)
client.api.base_url = client.sync.base_url = here
said("Python, data of a document", lambda: client.sync.v1.services("IS1").documents.create(data=VARIABLES))
said("Python, variables", lambda: client.messages.create(**MESSAGE))
said("Python, variables, async", lambda: asyncio.run(create_async()))
said("Node, variables", lambda: subprocess.run(["node", "run.js", here], check=True))
PY
cat > run.js <<'JS'
const twilio = require('twilio');

const client = twilio('AC' + '0'.repeat(32), 'token');
client.api.baseUrl = process.argv[2];
const contentVariables = { 1: 'Anna', 2: 'noon' };
client.messages.create({ to: '+15557122662', from: '+15557122661', contentVariables });
JS
venv/bin/python run.py | tee seen
cat > want <<'END'
Python, data of a document: [[('Data', '{"1": "Anna", "2": "noon"}')]]
Python, variables: [[('ContentVariables', '1'), ('ContentVariables', '2')]]
Python, variables, async: [[('ContentVariables', '1'), ('ContentVariables', '2')]]
Node, variables: [[('ContentVariables[1]', 'Anna'), ('ContentVariables[2]', 'noon')]]
END
diff want seen
