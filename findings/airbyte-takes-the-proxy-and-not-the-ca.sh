#!/bin/sh
# airbyte-source-twilio 0.16.0, airbyte-cdk 6.61.6 and requests 2.34.2: a company's own CA in REQUESTS_CA_BUNDLE, as it is set for a
# proxy that ends TLS, and `source-twilio check`.
#
# Guess: Airbyte calls by requests, and requests obeys the variable: the check succeeds. If a certificate is not trusted, the check
# fails at once, as for a wrong password, since no waiting cures it.
#
# Seen: `requests.get` obeys it. Airbyte's client prepares its requests and calls `Session.send`, which takes the proxy from the
# environment and not the CA, and the certificate counts as a passing fault: the check tries six times, sleeps for 10, 20, 40, 80
# and 160 seconds between them (and one more each time), and fails after five minutes.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check airbyte-source-twilio==0.16.0 airbyte-cdk==6.61.6 \
  requests==2.34.2 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout key.pem -out root.pem -subj /CN=api.twilio.com \
  -addext subjectAltName=DNS:api.twilio.com 2>/dev/null
cat > run.py <<'PY'
import http.server
import json
import os
import ssl
import sys
import threading
import time

import requests
from source_twilio.run import run

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain("root.pem", "key.pem")
tunnels = []


class Proxy(http.server.BaseHTTPRequestHandler):
    """Ends the tunnel itself."""

    def do_CONNECT(self):
        tunnels.append(self.path)
        self.send_response(200)
        self.end_headers()
        try:
            self.connection = CONTEXT.wrap_socket(self.connection, server_side=True)
        except ssl.SSLError:
            return
        self.close_connection = False
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}", "REQUESTS_CA_BUNDLE": "root.pem"}
URL = "https://api.twilio.com/2010-04-01/Accounts.json"
with open("seen", "w") as file:
    print(f"requests: {requests.get(URL, timeout=30).status_code}, {len(tunnels)} tunnel", file=file)

tunnels.clear()
slept = []
time.sleep = slept.append  # it would take minutes
with open("config.json", "w") as file:
    json.dump({"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32, "start_date": "2026-11-01T00:00:00Z"}, file)
sys.argv = ["source-twilio", "check", "--config", "config.json"]
run()
with open("seen", "a") as file:
    print(f"check: {len(tunnels)} tunnels, slept {[each for each in slept if each]} s", file=file)
PY
venv/bin/python run.py > said
grep -q '"FAILED".*CERTIFICATE_VERIFY_FAILED' said && echo "check: FAILED for the certificate" >> seen
cat seen
cat > expected <<'TXT'
requests: 200, 1 tunnel
check: 6 tunnels, slept [11, 21, 41, 81, 161] s
check: FAILED for the certificate
TXT
diff expected seen
