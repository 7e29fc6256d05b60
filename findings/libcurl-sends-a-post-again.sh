#!/bin/sh
# pycurl 7.49.0, curl_cffi 0.17.0 and tornado 6.6.1 (curl_httpclient), which carry libcurl; urllib3 2.8.0, httpx 0.28.1 and
# geventhttpclient 2.6.1 beside them: a POST on a kept connection that the server reads in full and then closes unanswered.
#
# Guess: no client sends a POST again by itself, since nobody knows whether the first was carried out; if one does, then
# geventhttpclient, whose loop tries each connection of its pool.
#
# Seen: everything over libcurl sends it a second time, on a new connection, without an option that says so, and reports only
# the second failure. A caller that counts its calls sees one. The same POST on a connection's first use is sent once. The
# three without libcurl send it once and raise.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pycurl==7.49.0 curl_cffi==0.17.0 tornado==6.6.1 urllib3==2.8.0 \
  httpx==0.28.1 geventhttpclient==2.6.1 2>/dev/null
cat > run.py <<'PY'
import asyncio
import socket
import sys
import threading
from io import BytesIO

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Server:
    """Answers `text=first`; reads anything else to its end, and closes the connection."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while stream.readline():
                length = 0
                while (field := stream.readline()).strip():
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.partition(b":")[2])
                self.bodies.append(stream.read(length).decode())
                if self.bodies[-1] != "text=first":
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def pycurl(url: str, texts: list[str]) -> None:
    import pycurl as library

    handle = library.Curl()
    for text in texts:
        handle.setopt(handle.URL, url)
        handle.setopt(handle.POSTFIELDS, text)
        handle.setopt(handle.WRITEDATA, BytesIO())
        handle.perform()


def curl_cffi(url: str, texts: list[str]) -> None:
    from curl_cffi import requests

    session = requests.Session()
    for text in texts:
        session.post(url, data=text, headers=FORM)


def tornado(url: str, texts: list[str]) -> None:
    from tornado.curl_httpclient import CurlAsyncHTTPClient

    async def send() -> None:
        client = CurlAsyncHTTPClient()
        for text in texts:
            await client.fetch(url, method="POST", body=text)

    asyncio.run(send())


def urllib3(url: str, texts: list[str]) -> None:
    import urllib3 as library

    pool = library.PoolManager()
    for text in texts:
        pool.request("POST", url, body=text, headers=FORM)


def httpx(url: str, texts: list[str]) -> None:
    import httpx as library

    with library.Client() as client:
        for text in texts:
            client.post(url, content=text, headers=FORM)


def geventhttpclient(url: str, texts: list[str]) -> None:
    from geventhttpclient import HTTPClient
    from geventhttpclient.url import URL

    client = HTTPClient.from_url(URL(url), concurrency=5)
    for text in texts:
        client.post("/", body=text, headers=FORM).read()


send = globals()[sys.argv[1]]
arrived = []
for texts in (["text=second"], ["text=first", "text=second"]):
    server = Server()
    try:
        send(server.url, texts)
    except Exception as error:  # each library's own, of many kinds: what counts is what arrived
        arrived.append(f"{server.bodies.count('text=second')}, raised")
    else:
        arrived.append(f"{server.bodies.count('text=second')}, returned")
print(f"{sys.argv[1]}: new connection {arrived[0]}; kept connection {arrived[1]}")
PY
for client in pycurl curl_cffi tornado urllib3 httpx geventhttpclient; do venv/bin/python run.py $client 2>>err; done | tee seen
cat > expected <<'TXT'
pycurl: new connection 1, raised; kept connection 2, raised
curl_cffi: new connection 1, raised; kept connection 2, raised
tornado: new connection 1, raised; kept connection 2, raised
urllib3: new connection 1, raised; kept connection 1, raised
httpx: new connection 1, raised; kept connection 1, raised
geventhttpclient: new connection 1, raised; kept connection 1, raised
TXT
diff expected seen || { cat err; exit 1; }
