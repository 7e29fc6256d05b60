#!/bin/sh
# asyncio of Python 3.11 to 3.13, and uvloop 0.23.0: a transport over TLS with `set_write_buffer_limits(high=0)`, which is meant for
# protocols that stop as soon as something is unsent.
#
# Guess: `pause_writing` is called when bytes are left unsent and `resume_writing` once they are sent, as without TLS; a write of
# nothing changes nothing.
#
# Seen: under TLS a size of 0 counts as over a limit of 0. A write of b"" pauses the protocol although nothing is unsent, and it
# is never resumed. A relay that stops reading while its other side is paused, and that begins by writing what had come
# so far (nothing, this time), waits for ever. Without TLS nothing is paused, and with a limit of one byte the pause ends, which
# the end of the handshake begins.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check uvloop==0.23.0 trustme==1.2.1 2>/dev/null
cat > run.py <<'PY'
import asyncio
import ssl

import trustme
import uvloop

authority = trustme.CA()
server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
authority.issue_cert("localhost").configure_cert(server_context)
client_context = ssl.create_default_context()
authority.configure_trust(client_context)


class Told(asyncio.Protocol):
    """What a transport tells its protocol of writing."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.last = "never paused"

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=self.limit)

    def pause_writing(self) -> None:
        self.last = "paused"

    def resume_writing(self) -> None:
        self.last = "resumed"


async def main(name: str) -> None:
    loop = asyncio.get_running_loop()
    for kind, ours, theirs in (("plain", None, None), ("TLS", server_context, client_context)):
        server = await loop.create_server(asyncio.Protocol, "localhost", 0, ssl=ours)
        port = server.sockets[0].getsockname()[1]
        for limit in (0, 1):
            for data in (b"", b"hello"):
                transport, told = await loop.create_connection(
                    lambda: Told(limit), "localhost", port, ssl=theirs, server_hostname="localhost" if theirs else None
                )
                transport.write(data)
                await asyncio.sleep(1)
                size = transport.get_write_buffer_size()
                print(f"{name}, {kind}, limit {limit}: {len(data)} bytes written, {size} unsent, in the end {told.last}")
                transport.abort()
        server.close()


asyncio.run(main("asyncio"))
uvloop.run(main("uvloop"))
PY
venv/bin/python run.py | tee seen
for loop in asyncio uvloop; do
    cat <<END
$loop, plain, limit 0: 0 bytes written, 0 unsent, in the end never paused
$loop, plain, limit 0: 5 bytes written, 0 unsent, in the end never paused
$loop, plain, limit 1: 0 bytes written, 0 unsent, in the end never paused
$loop, plain, limit 1: 5 bytes written, 0 unsent, in the end never paused
$loop, TLS, limit 0: 0 bytes written, 0 unsent, in the end paused
$loop, TLS, limit 0: 5 bytes written, 0 unsent, in the end resumed
$loop, TLS, limit 1: 0 bytes written, 0 unsent, in the end resumed
$loop, TLS, limit 1: 5 bytes written, 0 unsent, in the end resumed
END
done > want
diff want seen
