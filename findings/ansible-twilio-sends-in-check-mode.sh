#!/bin/sh
# ansible 11.10.0, community.general.twilio: `ansible --check` with a task that sends a text message.
#
# Guess: nothing is sent. The module says `supports_check_mode=True`, which promises that a dry run changes nothing.
#
# Seen: the message is sent, and reported as `changed: false`, as it is without --check: no dry run of a playbook
# is free, and no handler that waits for a change runs.
set -eu
folder=$(mktemp -d)
stop() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check ansible==11.10.0 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout key.pem -out root.pem -subj /CN=api.twilio.com \
  -addext subjectAltName=DNS:api.twilio.com 2>/dev/null
cat > twilio.py <<'PY'
"""A proxy that ends the tunnel to api.twilio.com itself, and says what it was sent."""

import http.server
import json
import os
import ssl

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain("root.pem", "key.pem")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = False  # urllib's CONNECT is HTTP/1.0
        self.connection = CONTEXT.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with open("sent", "a") as file:
            print("POST", self.path, file=file)
        body = json.dumps({"sid": "SM" + "0" * 32}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


Handler.protocol_version = "HTTP/1.1"
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("port.new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename("port.new", "port")
server.serve_forever()
PY
venv/bin/python twilio.py & pid=$!
for _ in $(seq 100); do [ -e port ] && break; sleep 0.1; done
export SSL_CERT_FILE="$folder/root.pem" HOME="$folder" LC_ALL=C.UTF-8
touch sent
https_proxy="http://127.0.0.1:$(cat port)" venv/bin/ansible localhost --check -c local \
  -e "ansible_python_interpreter=$folder/venv/bin/python" -m community.general.twilio \
  -a "account_sid=AC1 auth_token=x msg=hello from_number=+15005550006 to_number=+15005550009" > output 2>/dev/null || cat output
{ cat sent; grep -o '"changed": [a-z]*' output; } | tee seen
cat > expected <<'TXT'
POST /2010-04-01/Accounts/AC1/Messages.json
"changed": false
TXT
diff expected seen
