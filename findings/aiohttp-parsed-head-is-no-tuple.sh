#!/bin/sh
# aiohttp 3.14.5, Python 3.11 and newer, with its C parser (every wheel has it).
#
# Guess: `aiohttp.http.HttpRequestParser(...).feed_data(...)` returns what it is annotated to: a tuple of a list, a bool
# and bytes, and in the list pairs of a `RawRequestMessage`, which is a NamedTuple: it can be unpacked, indexed, compared
# with `_replace`d copies, and `isinstance(message, tuple)` is true with C and without.
#
# Seen: the C parser's message is a class of its own that is no tuple (it has `_replace`, but can be neither unpacked nor
# indexed), and while no message is complete the first element is an empty tuple, not a list. The pure
# parser (AIOHTTP_NO_EXTENSIONS=1) is as annotated. Code compiled from these annotations fails in production only.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aiohttp==3.14.5 2>/dev/null
cat > run.py <<'PY'
import asyncio

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser


async def main() -> None:
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 65536)
    begun = parser.feed_data(b"GET /a HTTP/1.1\r\n")[0]
    messages = parser.feed_data(b"Host: example.com\r\n\r\n")[0]
    message = messages[0][0]
    try:
        first = f"[0] is {message[0]}"
    except TypeError as error:
        first = f"[0] raises {type(error).__name__}"
    print(
        f"{HttpRequestParser.__module__}: {type(begun).__name__} before, {type(messages).__name__} after;"
        f" tuple {isinstance(message, tuple)}, _replace {hasattr(message, '_replace')}, {first}"
    )


asyncio.run(main())
PY
venv/bin/python run.py | tee seen
AIOHTTP_NO_EXTENSIONS=1 venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
aiohttp._http_parser: tuple before, list after; tuple False, _replace True, [0] raises TypeError
aiohttp.http_parser: list before, list after; tuple True, _replace True, [0] is GET
TXT
diff expected seen
