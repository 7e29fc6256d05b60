#!/bin/sh
# Debian 12's PHP 8.2 (streams and curl), Ruby 3.1 (Net::HTTP), Perl 5.36 (LWP 6.68, HTTP::Tiny), Java 17 (HttpURLConnection, HttpClient) and Go
# 1.19, as apt installs them: an answer that ends after half of its body, once with Content-Length, once chunked.
#
# Guess: each client raises, or marks the answer: it was told how much would come. If one of the two framings is weaker, then chunked, whose
# length nobody knows beforehand.
#
# Seen: the other way round. With Content-Length four of the eight give 200 and half of the body, and no sign of it: PHP's streams, Ruby's
# Net::HTTP (and so what is built on it, Faraday too), Perl's LWP and Java's HttpURLConnection. Chunked, Ruby and HttpURLConnection
# raise, and LWP still calls it a success, with an `X-Died` that has to be looked for. Half a JSON is noticed by its reader; half
# a recording or a CSV is kept. A proxy whose other side breaks off cannot tell such callers.
set -eu
for command in php ruby perl javac go; do
  command -v $command >/dev/null || { echo "apt-get install php-cli php-curl ruby libwww-perl default-jdk-headless golang-go" >&2; exit 2; }
done
folder=$(mktemp -d)
stop() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
cd "$folder"
cat > server.py <<'PY'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Halves(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        chunked = self.path == "/chunked"
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "2000")))
        self.end_headers()
        self.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n" if chunked else b"x" * 1000)
        self.close_connection = True

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Halves)
Path("port.new").write_text(str(server.server_port))
Path("port.new").rename("port")
server.serve_forever()
PY
cat > run.php <<'PHP'
<?php
$body = @file_get_contents($argv[1]);
echo 'PHP streams: ', $body === false ? 'raised' : strlen($body), "\n";
$curl = curl_init($argv[1]);
curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
$body = curl_exec($curl);
echo 'PHP curl: ', $body === false ? 'raised' : strlen($body), "\n";
PHP
cat > run.rb <<'RUBY'
require "net/http"
puts "Ruby Net::HTTP: #{Net::HTTP.get_response(URI(ARGV[0])).body.size rescue 'raised'}"
RUBY
cat > run.pl <<'PERL'
use LWP::UserAgent; use HTTP::Tiny;
my $answer = LWP::UserAgent->new->get($ARGV[0]);
print 'Perl LWP: ', ($answer->is_success ? length $answer->content : 'raised'), ($answer->header('X-Died') ? ', X-Died' : ''), "\n";
my $tiny = HTTP::Tiny->new->get($ARGV[0]);
print 'Perl HTTP::Tiny: ', ($tiny->{success} ? length $tiny->{content} : 'raised'), "\n";
PERL
cat > Run.java <<'JAVA'
import java.net.*;
import java.net.http.*;
import java.util.concurrent.Callable;

class Run {
  static void said(String name, Callable<Integer> call) {
    Object seen;
    try { seen = call.call(); } catch (Exception error) { seen = "raised"; }
    System.out.println(name + ": " + seen);
  }

  public static void main(String[] args) {
    HttpRequest request = HttpRequest.newBuilder(URI.create(args[0])).build();
    said("Java HttpURLConnection", () -> new URL(args[0]).openConnection().getInputStream().readAllBytes().length);
    said("Java HttpClient", () -> HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray()).body().length);
  }
}
JAVA
cat > run.go <<'GO'
package main

import ("fmt"; "io"; "net/http"; "os")

func main() {
	response, err := http.Get(os.Args[1])
	if err == nil {
		var body []byte
		if body, err = io.ReadAll(response.Body); err == nil { fmt.Println("Go net/http:", len(body)); return }
	}
	fmt.Println("Go net/http: raised")
}
GO
python3 server.py & pid=$!
go build -o run run.go
javac Run.java
tries=0
until [ -e port ]; do tries=$((tries + 1)); [ "$tries" -lt 300 ]; sleep 0.1; done
for framing in length chunked; do
  url=http://127.0.0.1:$(cat port)/$framing
  { php run.php "$url"; ruby run.rb "$url"; perl run.pl "$url"; java Run "$url"; ./run "$url"; } | sed "s/^/$framing: /"
done | tee seen
cat > want <<'END'
length: PHP streams: 1000
length: PHP curl: raised
length: Ruby Net::HTTP: 1000
length: Perl LWP: 1000
length: Perl HTTP::Tiny: raised
length: Java HttpURLConnection: 1000
length: Java HttpClient: raised
length: Go net/http: raised
chunked: PHP streams: 1000
chunked: PHP curl: raised
chunked: Ruby Net::HTTP: raised
chunked: Perl LWP: 1000, X-Died
chunked: Perl HTTP::Tiny: raised
chunked: Java HttpURLConnection: raised
chunked: Java HttpClient: raised
chunked: Go net/http: raised
END
diff want seen
