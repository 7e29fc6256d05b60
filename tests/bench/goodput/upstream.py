"""A cheap upstream that takes so many requests at once and no more: what is above the limit is 429/20429.

`python -m tests.bench.goodput.upstream --limit 20 --seconds 0.05 [--sigma 0.8]` prints its URL. `GET
/-/limit?40` sets the limit, `GET /-/counts` tells what happened. A slot is held from a request's last byte
until its answer is written, which is on time to some microseconds: timers of whole milliseconds would keep
calls of equal length in step. It reads Content-Length framing, one request at a time on a connection.
"""

import argparse
import asyncio
import json
import math
import random
import re
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import uvloop

from tests.bench.precise_delay import PreciseTimer
from tests.bench.upstream import ANSWER_BODY, ANSWER_FIELDS

_REFUSAL = b'{"code":20429,"message":"Too Many Requests","more_info":"https://www.twilio.com/docs/errors/20429","status":429}'


def _answer(line: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (line, ANSWER_FIELDS, len(body), body)


_CREATED = _answer(b"201 Created", ANSWER_BODY)
_REFUSED = _answer(b"429 Too Many Requests", _REFUSAL)
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_SET_LIMIT = re.compile(rb"GET /-/limit\?([0-9]+) ")


@dataclass
class Counts:
    """Since the start. `held_seconds` are of the answered: their sum, as the clock saw it."""

    answered: int = 0
    refused: int = 0
    broken: int = 0
    held_seconds: float = 0.0
    most_at_once: int = 0


class Limit:
    """What all connections share. Service times are log-normal about their mean if `sigma` is above 0."""

    def __init__(self, limit: int, seconds: float, sigma: float, seed: int) -> None:
        self.limit = limit
        self.taken = 0
        self.counts = Counts()
        self._seconds = seconds
        self._sigma = sigma
        self._chance = random.Random(seed)

    def draw_seconds(self) -> float:
        """How long the next request takes."""
        if not self._sigma:
            return self._seconds
        return self._chance.lognormvariate(math.log(self._seconds) - self._sigma**2 / 2, self._sigma)

    def take(self) -> bool:
        """Take a slot, if there is one."""
        if self.taken >= self.limit:
            self.counts.refused += 1
            return False
        self.taken += 1
        self.counts.most_at_once = max(self.counts.most_at_once, self.taken)
        return True

    def give_back(self, since: float, *, answered: bool) -> None:
        """The request is at its end."""
        self.taken -= 1
        if answered:
            self.counts.answered += 1
            self.counts.held_seconds += time.perf_counter() - since
        else:
            self.counts.broken += 1


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, limit: Limit, timer: PreciseTimer) -> None:
        self._limit = limit
        self._timer = timer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if length is not None and len(body) < int(length[1]):
            return
        self._received = b""
        if head.startswith(b"GET /-/"):
            self._control(head)
        elif self._limit.take():
            self._timer.call_later(self._limit.draw_seconds(), partial(self._finish, time.perf_counter()))
        else:
            self._transport.write(_REFUSED)

    def _finish(self, since: float) -> None:
        closing = self._transport.is_closing()
        self._limit.give_back(since, answered=not closing)
        if not closing:
            self._transport.write(_CREATED)

    def _control(self, head: bytes) -> None:
        wanted = _SET_LIMIT.match(head)
        if wanted is not None:
            self._limit.limit = int(wanted[1])
        self._transport.write(_answer(b"200 OK", json.dumps(asdict(self._limit.counts)).encode()))


async def serve(port: int, limit: Limit) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    timer = PreciseTimer()
    server = await loop.create_server(lambda: Connection(limit, timer), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    uvloop.run(serve(args.port, Limit(args.limit, args.seconds, args.sigma, args.seed)))


if __name__ == "__main__":
    main()
