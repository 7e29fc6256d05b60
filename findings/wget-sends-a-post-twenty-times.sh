#!/bin/sh
# Debian 12's wget 1.21.3 and curl 7.88.1, as apt installs them: `wget --post-data=…` and `curl --data …` to a server that reads the request and
# closes the connection unanswered, as a proxy does whose other side is gone, on a connection's first use.
#
# Guess: a download is tried again, which harms nobody. A POST is sent once, as curl does it, or wget wants an option for more: its manual
# speaks of retrieving, and twenty tries go with that.
#
# Seen: wget sends the POST twenty times, and waits a second longer before each, up to ten: a message is sent twenty times in two and a half minutes,
# and the script ends with 4, as if none had been. An answer of 503 ends it at the first. `--tries=1` is what such a script needs. (The
# pauses are switched off here.)
set -eu
for command in wget curl; do command -v $command >/dev/null || { echo "apt-get install wget curl" >&2; exit 2; }; done
folder=$(mktemp -d)
stop() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
cd "$folder"
cat > server.py <<'PY'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Twilio(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open("arrived", "a") as arrived:
            arrived.write(f"{body} {self.path}\n")
        if self.path == "/503":
            self.send_error(503)
        self.close_connection = True

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
Path("port.new").write_text(str(server.server_port))
Path("port.new").rename("port")
server.serve_forever()
PY
python3 server.py & pid=$!
tries=0
until [ -e port ]; do tries=$((tries + 1)); [ "$tries" -lt 300 ]; sleep 0.1; done
for path in /closes /503; do
  url=http://127.0.0.1:$(cat port)$path
  code=0; wget -q -O /dev/null --waitretry=0 --post-data=wget "$url" || code=$?
  echo "wget $path: $(grep -c "^wget $path" arrived) times, exit code $code"
  code=0; curl -s -o /dev/null --data curl "$url" || code=$?
  echo "curl $path: $(grep -c "^curl $path" arrived) times, exit code $code"
done | tee seen
cat > want <<'END'
wget /closes: 20 times, exit code 4
curl /closes: 1 times, exit code 52
wget /503: 1 times, exit code 8
curl /503: 1 times, exit code 0
END
diff want seen
