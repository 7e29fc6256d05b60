#!/bin/sh
# aiohttp-retry 2.9.1 over aiohttp 3.14.5: what the second attempt of a POST carries when the first got a 503.
#
# Guess: a body that can be read only once makes the second attempt fail loudly (aiohttp has long refused to send one FormData
# twice), and a body in memory that can be rewound, such as BytesIO, is sent whole again, as aiohttp does when it follows a 307.
#
# Seen: the other way round. FormData and MultipartWriter are sent whole each time. BytesIO, StringIO and an asynchronous
# generator arrive *empty* at the second attempt, whose 200 is returned as if all were well; only an open file raises, because
# the first attempt closed it. aiohttp alone sends a BytesIO whole again behind a 307.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aiohttp==3.14.5 aiohttp-retry==2.9.1 2>/dev/null
cat > run.py <<'PY'
import asyncio
import io
import tempfile
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from aiohttp_retry import ExponentialRetry, RetryClient


async def generated() -> AsyncIterator[bytes]:
    yield b"hello"


def form() -> aiohttp.FormData:
    filled = aiohttp.FormData()
    filled.add_field("media", b"hello", filename="a.txt")
    return filled


def parts() -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    writer.append("hello")
    return writer


def file() -> io.BufferedRandom:
    opened = tempfile.TemporaryFile()
    opened.write(b"hello")
    opened.seek(0)
    return opened


BODIES = {
    "bytes": lambda: b"hello",
    "FormData": form,
    "MultipartWriter": parts,
    "BytesIO": lambda: io.BytesIO(b"hello"),
    "StringIO": lambda: io.StringIO("hello"),
    "generator": generated,
    "file": file,
}


async def main() -> None:
    arrived: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        arrived.append("whole" if b"hello" in body else f"{len(body)} bytes")
        if len(arrived) > 1:
            return web.Response()
        if request.path == "/moved":
            return web.Response(status=307, headers={"Location": "/there"})
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/{any}", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name, make in BODIES.items():
        arrived.clear()
        async with RetryClient(retry_options=ExponentialRetry(attempts=2, start_timeout=0.01)) as client:
            try:
                async with client.post(f"{url}/busy", data=make()) as response:
                    end = str(response.status)
            except ValueError as error:
                end = type(error).__name__
        print(f"{name}: {', '.join(arrived)}; {end}")
    arrived.clear()
    async with aiohttp.ClientSession() as session, session.post(f"{url}/moved", data=io.BytesIO(b"hello")) as response:
        print(f"aiohttp alone, BytesIO behind a 307: {', '.join(arrived)}; {response.status}")
    await runner.cleanup()


asyncio.run(main())
PY
venv/bin/python -W ignore run.py 2>err | tee seen
cat > expected <<'TXT'
bytes: whole, whole; 200
FormData: whole, whole; 200
MultipartWriter: whole, whole; 200
BytesIO: whole, 0 bytes; 200
StringIO: whole, 0 bytes; 200
generator: whole, 0 bytes; 200
file: whole; ValueError
aiohttp alone, BytesIO behind a 307: whole, whole; 200
TXT
diff expected seen || { cat err; exit 1; }
