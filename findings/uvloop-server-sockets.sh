#!/bin/sh
# uvloop 0.23.0, mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler.
#
# Guess: uvloop is a drop-in for asyncio's loop, so `loop.create_server(...)` gives an `asyncio.Server` whose
# `sockets` is a tuple, as asyncio's source and typeshed have it; a typed module that reads it and is clean under
# `mypy --strict` runs on both loops once mypyc has compiled it.
#
# Seen: uvloop's server is no subclass of `asyncio.Server`, and its `sockets` is a list. Interpreted code does not
# notice. Compiled code checks the annotated type where the value comes in: on asyncio it works, on uvloop it raises
# "TypeError: tuple object expected; got list". Unit tests on asyncio's loop do not meet it.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check uvloop==0.23.0 mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > ports.py <<'PY'
import asyncio


def port_of(server: asyncio.Server) -> int:
    sockets = server.sockets
    return int(sockets[0].getsockname()[1])
PY
cat > run.py <<'PY'
import asyncio
import sys

import uvloop

import ports


async def main() -> str:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    try:
        kind = type(server.sockets).__name__
        ports.port_of(server)
        return f"{kind}, read"
    except TypeError as error:
        return f"{kind}, TypeError: {error}"
    finally:
        server.close()


run = uvloop.run if sys.argv[1] == "uvloop" else asyncio.run
build = "interpreted" if ports.__file__.endswith(".py") else "compiled"
print(f"{sys.argv[1]}, {build}: {run(main())}")
PY
venv/bin/mypy --strict ports.py > mypy.out || { cat mypy.out; exit 1; }
for loop in asyncio uvloop; do venv/bin/python run.py $loop; done | tee seen
venv/bin/mypyc ports.py > build.out 2>&1 || { cat build.out; exit 1; }
for loop in asyncio uvloop; do venv/bin/python run.py $loop; done | tee -a seen
cat > expected <<'TXT'
asyncio, interpreted: tuple, read
uvloop, interpreted: list, read
asyncio, compiled: tuple, read
uvloop, compiled: list, TypeError: tuple object expected; got list
TXT
diff expected seen
