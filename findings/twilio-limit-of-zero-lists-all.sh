#!/bin/sh
# twilio 9.13.0 (Python, sync and async) and twilio 6.3.1 (npm): a list whose limit was computed, such as what is left of a quota, and
# comes to zero. The API has 120 messages on three pages.
#
# Guess: an empty list, without a request or with one. If a client refuses the value, both do.
#
# Seen: in Python zero is no limit: `list(limit=0)` fetches every page there is and returns all records, the async client as well, though
# `limit=1` returns one. Node refuses it before it sends anything.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts twilio@6.3.1
cat > run.py <<'PY'
import asyncio
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

PATH = f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
received = []


class Twilio(BaseHTTPRequestHandler):
    """Three pages of 40 at most."""

    def do_GET(self) -> None:
        received.append(self.path)
        query = parse_qs(urlsplit(self.path).query)
        page, size = int(query.get("Page", "0")[0]), int(query.get("PageSize", ["40"])[0])
        following = f"{PATH}?PageSize={size}&Page={page + 1}" if page < 2 else None
        messages = [{"sid": "SM" + "0" * 32}] * min(size, 40)
        body = json.dumps({"messages": messages, "next_page_uri": following}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
threading.Thread(target=server.serve_forever, daemon=True).start()
BASE = f"http://127.0.0.1:{server.server_port}"


def connect(**more: object) -> Client:
    client = Client("AC" + "0" * 32, "token", **more)
    client.api.base_url = BASE
    return client


async def list_async(limit: int) -> int:
    async with AsyncTwilioHttpClient() as http:
        return len(await connect(http_client=http).messages.list_async(limit=limit))


NODE = """
const client = require("twilio")("AC" + "0".repeat(32), "token");
client.api.baseUrl = process.argv[1];
(async () => client.messages.list({ limit: Number(process.argv[2]) }))()
  .then((found) => console.log(found.length), (error) => console.log(error.message));
"""


def list_node(limit: int) -> str:
    return subprocess.run(["node", "-e", NODE, BASE, str(limit)], capture_output=True, text=True, check=True).stdout.strip()


for limit in (1, 0):
    for name, call in {
        "Python": lambda: len(connect().messages.list(limit=limit)),
        "Python, async": lambda: asyncio.run(list_async(limit)),
        "Node": lambda: list_node(limit),
    }.items():
        received.clear()
        found = call()
        print(f"limit {limit}, {name}: {found}; {len(received)} requests")
PY
venv/bin/python run.py | tee seen
cat > want <<'END'
limit 1, Python: 1; 1 requests
limit 1, Python, async: 1; 1 requests
limit 1, Node: 1; 1 requests
limit 0, Python: 120; 3 requests
limit 0, Python, async: 120; 3 requests
limit 0, Node: Parameter limit must be a positive integer; 0 requests
END
diff want seen
