"""An upstream so cheap that it is never what is measured: canned answers by a bare `asyncio.Protocol`.

`python -m tests.bench.upstream [--port N] [--delay-ms N] [--tls CERT KEY]` prints its URL and serves until it
is ended. A POST is answered 201 with one message of about 700 bytes, once its body has come, which is read at
N bytes a second for `POST …?Rate=N`; a `GET …?Size=N` is answered with N bytes.
It reads only what it needs: Content-Length framing, one request at a time on a connection.
"""

import argparse
import asyncio
import re
import ssl
from typing import cast

import uvloop

from tests.bench.precise_delay import PreciseTimer

ANSWER_BODY = (
    b'{"account_sid":"AC00112233445566778899aabbccddeeff","api_version":"2010-04-01"'
    b',"body":"Your parcel will be delivered today between 14:00 and 16:00."'
    b',"date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null'
    b',"date_updated":"Thu, 24 Aug 2023 05:01:45 +0000","direction":"outbound-api","error_code":null'
    b',"error_message":null,"from":"+15557122661","num_media":"0","num_segments":"1","price":null'
    b',"price_unit":"USD","messaging_service_sid":null,"sid":"SM00112233445566778899aabbccddeeff"'
    b',"status":"queued"'
    b',"subresource_uris":{"media":"/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff/Mess'
    b'ages/SM00112233445566778899aabbccddeeff/Media.json"},"to":"+15558675310"'
    b',"uri":"/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff/Messages/SM001122334455667'
    b'78899aabbccddeeff.json"}'
)
ANSWER_FIELDS = (
    b"Content-Type: application/json;charset=utf-8\r\n"
    b"Connection: keep-alive\r\n"
    b"Date: Thu, 24 Aug 2023 05:01:45 GMT\r\n"
    b"Twilio-Concurrent-Requests: 1\r\n"
    b"Twilio-Request-Id: RQ00112233445566778899aabbccddeeff\r\n"
    b"Twilio-Request-Duration: 0.034\r\n"
    b"X-Home-Region: us1\r\n"
    b"X-API-Domain: api.twilio.com\r\n"
    b"Strict-Transport-Security: max-age=31536000\r\n"
)
_CREATED = b"HTTP/1.1 201 Created\r\n%bContent-Length: %d\r\n\r\n%b" % (
    ANSWER_FIELDS,
    len(ANSWER_BODY),
    ANSWER_BODY,
)
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_SIZE = re.compile(rb"GET [^ ]*[?&]Size=([0-9]+)")
_RATE = re.compile(rb"POST [^ ]*[?&]Rate=([0-9]+)")
_BLOCK = bytes(65_536)


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, timer: PreciseTimer, delay_seconds: float) -> None:
        """All answers to POSTs wait for `delay_seconds`."""
        self._timer = timer
        self._delay_seconds = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self._missing_bytes = 0  # of the body of the request at hand
        self._bytes_per_second = 0  # at which it is read; 0 for as fast as it comes
        self._writable = asyncio.Event()
        self._writable.set()
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        if self._missing_bytes:
            self._missing_bytes -= len(data)
        else:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            size = _SIZE.match(head)
            if size is not None:
                self._streaming = self._loop.create_task(self._stream(int(size[1])))
                return
            rate = _RATE.match(head)
            self._bytes_per_second = int(rate[1]) if rate is not None else 0
            length = _LENGTH.search(head)
            self._missing_bytes = int(length[1]) - len(body) if length is not None else 0
        if not self._missing_bytes:
            self._answer()
        elif self._bytes_per_second:
            self._transport.pause_reading()
            self._loop.call_later(len(data) / self._bytes_per_second, self._resume)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _answer(self) -> None:
        if self._delay_seconds:
            self._timer.call_later(self._delay_seconds, self._write_answer)
        else:
            self._transport.write(_CREATED)

    def _write_answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_CREATED)

    async def _stream(self, size: int) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
        )
        while size:
            await self._writable.wait()
            block = _BLOCK[:size]
            self._transport.write(block)
            size -= len(block)


async def serve(port: int, delay_seconds: float, context: ssl.SSLContext | None) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    timer = PreciseTimer()
    server = await loop.create_server(
        lambda: Upstream(timer, delay_seconds), "127.0.0.1", port, backlog=1024, ssl=context
    )
    scheme = "https" if context else "http"
    print(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    args = parser.parse_args()
    context = None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
    uvloop.run(serve(args.port, args.delay_ms / 1000, context))


if __name__ == "__main__":
    main()
