#!/bin/sh
# twilio-cli 6.2.4 (npm), through a proxy that ends TLS: the exit code of a `fetch` that Twilio refuses.
#
# Guess: 1 for whatever goes wrong, as most command lines have it, or one number for each kind: a script can tell "not found" from "too
# many requests", or knows that it cannot.
#
# Seen: it exits with the first two digits of Twilio's error code. 20404 (not found), 20429 (too many requests) and 20003 (wrong
# password) are all 20, and 21608 is 21; 1 is what happens without an answer of Twilio's. `|| [ $? -eq 1 ]` catches none of them.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts twilio-cli@6.2.4
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout key.pem -out root.pem -subj /CN=api.twilio.com \
  -addext subjectAltName=DNS:api.twilio.com 2>/dev/null
cat > run.py <<'PY'
import http.server
import json
import os
import ssl
import subprocess
import threading

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain("root.pem", "key.pem")
answer = {}


class Proxy(http.server.BaseHTTPRequestHandler):
    """Ends the tunnel itself, and answers with an error of Twilio's."""

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = CONTEXT.wrap_socket(self.connection, server_side=True)
        self.close_connection = False
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def do_GET(self):
        body = json.dumps(answer | {"message": "refused", "more_info": ""}).encode()
        self.send_response(answer["status"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
proxy = f"http://127.0.0.1:{server.server_port}"
environ = {
    "HOME": os.getcwd(),
    "PATH": os.environ["PATH"],
    "HTTP_PROXY": proxy,
    "NODE_EXTRA_CA_CERTS": "root.pem",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
}
command = ["node_modules/.bin/twilio", "api:core:messages:fetch", "--sid", "SM" + "0" * 32]


def run():
    return subprocess.run(command, env=environ, capture_output=True, check=False).returncode


for status, code in ((404, 20404), (429, 20429), (401, 20003), (403, 21608)):
    answer |= {"status": status, "code": code}
    print(f"{status}, code {code}: exit {run()}")
environ["HTTP_PROXY"] = "http://127.0.0.1:1"
print(f"no proxy there: exit {run()}")
PY
python3 run.py 2>/dev/null | tee seen
cat > want <<'END'
404, code 20404: exit 20
429, code 20429: exit 20
401, code 20003: exit 20
403, code 21608: exit 21
no proxy there: exit 1
END
diff want seen
