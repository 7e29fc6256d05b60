"""A request as its handler sees it: the head, the body, the caller, and the ways to answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.http.response_head import HTTP_1_0, HTTP_1_1, build_head
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.request_body import RequestBody

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from gateway.listener.request_parser import Head
    from gateway.listener.tunnels import OpenTunnel

_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
"""Byte for byte: Twilio's SDK for PHP looks for this reason phrase (docs/facts.md)."""
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request:
    """Answered once: either by `answer`, or by `begin_answer`, `write` and `end_answer`.

    `target` and `raw_fields` are as received; `headers` is the parser's own table of the same fields.
    """

    __slots__ = (
        "_chunked",
        "_length",
        "_wants_close",
        "body",
        "caller",
        "ended",
        "headers",
        "held",
        "keeps_open",
        "method",
        "on_turn",
        "raw_fields",
        "sent_bytes",
        "started",
        "target",
        "version",
    )

    def __init__(self, caller: CallerTransport, message: "Head", body: RequestBody) -> None:
        self.caller = caller
        self.body = body
        self.method: str = message.method
        self.target: str = message.path
        self.version: tuple[int, int] = message.version
        self.raw_fields: tuple[tuple[bytes, bytes], ...] = message.raw_headers
        self.headers: CIMultiDictProxy[str] = message.headers
        self._wants_close: bool = message.should_close
        self._chunked = False
        self._length: int | None = None  # of the body of a streamed answer, where it is announced
        self.on_turn: Callable[[], None] | None = None
        """What checks the caller again before the request is sent; set once it is authenticated."""
        self.held = 0
        """Bytes that are counted as held for this request."""
        self.sent_bytes = 0
        """Of the answer's body, as far as it was handed to the transport."""
        self.started = False
        """Whether an answer was begun: from then on the only honest error is to abort."""
        self.ended = False
        """Whether the answer is complete."""
        self.keeps_open = False
        """Whether the connection is kept behind a complete answer."""

    # The caller, as far as attempts and admission are concerned (`upstream/attempt_options.py`).

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.caller.gone

    def cancel_on_disconnect(self, enabled: bool, /) -> None:
        """Whether the exchange is cancelled when the caller disconnects."""
        self.caller.cancels = enabled

    def hold(self, size: int) -> None:
        """Count so many more bytes as held for this request. Raises `Refusal` (buffers_full)."""
        buffers = self.caller.buffers
        buffers.require_room(size)
        buffers.used += size
        self.held += size

    def release(self) -> None:
        """It is over: nothing is held for it any more, nor checked."""
        self.on_turn = None  # what was to be called holds this request
        self.caller.buffers.used -= self.held
        self.held = 0

    def require_known(self) -> None:
        """Called when the request's turn has come. Raises `Refusal` if its caller is no longer known."""
        if self.on_turn is not None:
            self.on_turn()

    def base_url(self, host: str) -> str:
        """Where this caller reaches us, for links that must lead back here; `host` as it was sent, or ''."""
        if not host:  # HTTP/1.0 without Host: the address that was connected to
            name = self.caller.local_address
            host = f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
        return f"{'https' if self.caller.secure else 'http'}://{host}"

    # Answering. Every method raises `ConnectionResetError` if the caller is gone.

    def send_continue(self) -> None:
        """Ask for the body, once it is sure to be read; not if all of it is here.

        Raises `Refusal` (buffers_full), too.
        """
        if not self.body.complete and not self.caller.closing:
            self.caller.buffers.require_room(1)
            self.caller.write(_CONTINUE)

    def accept_tunnel(self, opened: "OpenTunnel") -> None:
        """Answer CONNECT: what follows on this connection is TLS."""
        try:
            self.caller.write(_ESTABLISHED)
        except ConnectionResetError:
            opened.end()
            raise
        self.started = self.ended = True
        self.caller.opening = opened

    def answer(self, status: int, reason: str, fields: bytes, body: bytes, *, closes: bool) -> None:
        """Send a whole answer; `fields` are CRLF-ended lines, the length of `body` among them.

        The connection is closed behind it where the caller or `closes` asks for that, or where the request's
        body was not received: what is left of it must not be read as a request.
        """
        self.started = True
        head = self._build_head(status, reason, fields, closes=closes)
        self.caller.write(head + body)
        self.sent_bytes = len(body)
        self.ended = True

    def begin_answer(
        self, status: int, reason: str, fields: bytes, length: int | None, *, closes: bool
    ) -> None:
        """Send the head of an answer; `length` of its body in bytes, None if it is not known."""
        self.started = True
        self._length = length
        if length is None:
            self._chunked = self.version != HTTP_1_0
            closes = closes or not self._chunked  # the end of the connection is the end of the body
        self.caller.write(self._build_head(status, reason, fields, closes=closes))

    def write(self, data: bytes) -> None:
        """Send part of a body. Call `drain` if the caller is `paused`."""
        if not data:
            return
        self.sent_bytes += len(data)
        if self._chunked:
            self.caller.write_parts(b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self.caller.write(data)

    def end_answer(self) -> None:
        """The body is complete. One that has not its announced length is broken off instead."""
        if self._chunked:
            self.caller.write(b"0\r\n\r\n")
        elif self._length is not None and self._length != self.sent_bytes:
            self.abort()
            return
        self.ended = True

    def abort(self) -> None:
        """Break the answer off: the connection ends, so that what was sent cannot pass for all of it."""
        self.keeps_open = False
        self.caller.abort(reset=self.version == HTTP_1_0)

    def _build_head(self, status: int, reason: str, fields: bytes, *, closes: bool) -> bytes:
        version = HTTP_1_1 if self.version >= HTTP_1_1 else HTTP_1_0  # 0.9 and 2.0 are refused in these, too
        closes = closes or self._wants_close or self.caller.outdated
        self.keeps_open = self.body.complete and not closes
        return build_head(version, status, reason, fields, chunked=self._chunked, keeps_open=self.keeps_open)
