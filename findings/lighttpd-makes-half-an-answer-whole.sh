#!/bin/sh
# Debian 12's lighttpd 1.4.69 (mod_proxy) and Apache 2.4.71 (mod_proxy_http) as reverse proxies, each with a configuration of a few lines, before
# a server whose answer breaks off in the middle, once with Content-Length, once chunked.
#
# Guess: a proxy hands the break on: it closes its own connection before the announced end, so that the client can notice; or, where it
# has not begun to answer, it says 502. Without the last chunk the answer is incomplete (RFC 9112, 8).
#
# Seen: with Content-Length both do. Of the chunked answer lighttpd makes a complete one: 200, and a Content-Length of its own that is what
# had arrived. No client can tell it from the whole, and no proxy behind it either. What stands before lighttpd should announce lengths.
set -eu
command -v apt-get >/dev/null && command -v curl >/dev/null || { echo "needs Debian 12 and curl" >&2; exit 2; }
folder=$(mktemp -d)
stop() { for process in ${pids:-}; do kill "$process" 2>/dev/null || true; done; rm -rf "$folder"; }
trap stop EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq lighttpd libnettle8 libxxhash0 apache2-bin libapr1 libaprutil1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
cat > server.py <<'PY'
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Halves(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        chunked = self.path == "/chunked"
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "2000")))
        self.end_headers()
        self.wfile.write(b"7d0\r\n" + b"x" * 1000 if chunked else b"x" * 1000)
        time.sleep(0.5)
        self.close_connection = True

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


server = ThreadingHTTPServer(("127.0.0.1", 0), Halves)
folder, back, lighttpd, apache = Path.cwd(), server.server_port, free_port(), free_port()
modules = folder / "root/usr/lib/apache2/modules"
Path("lighttpd.conf").write_text(f"""server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {lighttpd}
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {back})))
""")
Path("apache.conf").write_text(f"""ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{apache}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Mutex file:{folder}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
ProxyPass / http://127.0.0.1:{back}/
""")
Path("ports.new").write_text(f"lighttpd={lighttpd}\napache={apache}\n")
Path("ports.new").rename("ports")
server.serve_forever()
PY
python3 server.py & pids=$!
wait_for() { tries=0; until "$@" >/dev/null 2>&1; do tries=$((tries + 1)); [ "$tries" -lt 300 ]; sleep 0.1; done; }
wait_for test -e ports
. ./ports
LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu; export LD_LIBRARY_PATH
root/usr/sbin/lighttpd -D -f lighttpd.conf -m root/usr/lib/lighttpd 2>lighttpd.log & pids="$pids $!"
root/usr/sbin/apache2 -DFOREGROUND -f "$folder/apache.conf" 2>apache2.log & pids="$pids $!"
unset LD_LIBRARY_PATH
for proxy in lighttpd:$lighttpd apache:$apache; do
  for framing in length chunked; do
    url=http://127.0.0.1:${proxy#*:}/$framing
    wait_for sh -c "curl -s -o /dev/null $url; [ \$? != 7 ]"  # 7: nobody listens yet
    code=0; seen=$(curl -s -o /dev/null -w '%{http_code}, %{size_download} bytes' "$url") || code=$?
    echo "${proxy%:*}, $framing: $seen, $([ "$code" = 0 ] && echo complete || echo "curl's error $code")"
  done
done | tee seen
cat > want <<'END'
lighttpd, length: 200, 1000 bytes, curl's error 18
lighttpd, chunked: 200, 1000 bytes, complete
apache, length: 200, 1000 bytes, curl's error 18
apache, chunked: 200, 1000 bytes, curl's error 18
END
diff want seen
