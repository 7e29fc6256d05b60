"""A request as its handler sees it: the head, the body, the caller, and the ways to answer."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from gateway.http.response_head import HTTP_1_0, HTTP_1_1, build_head
from gateway.identity.request_id import CREDENTIAL_FIELDS, read_secrets
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.known_heads import KnownHead, KnownHeads
from gateway.listener.request_body import NO_REQUEST_BODY
from gateway.policy.head_decision import HeadDecision

if TYPE_CHECKING:
    from gateway.listener.request_parser import Head
    from gateway.listener.tunnels import OpenTunnel

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request:
    """Answered once: either by `answer`, or by `begin_answer`, `write` and `end_answer`.

    `method`, `target` and `version` are as received. `known` is the head of the connection that this one was
    recognised by, `values` its individual values; else `message` is what the parser read.
    """

    __slots__ = (
        "_chunked",
        "_framing",
        "_heads",
        "_length",
        "_message",
        "_wants_close",
        "body",
        "caller",
        "ended",
        "head",
        "held",
        "keeps_open",
        "known",
        "method",
        "on_turn",
        "sent_bytes",
        "started",
        "target",
        "values",
        "version",
    )

    def __init__(
        self, caller: CallerTransport, message: "Head | None", known: KnownHead | None = None
    ) -> None:
        """One of `message` and `known`. `body` is replaced where there is one."""
        self.caller = caller
        self.body = NO_REQUEST_BODY
        self.known = known
        self._message = message
        self._heads: KnownHeads | None = None
        self.head = b""
        """Its bytes, where they are of use later; else nothing."""
        self._framing = 0
        if known is not None:
            self.values = known.template.values
            self.method = known.method
            self.target = known.target
            self.version = known.version
            self._wants_close = known.wants_close
        else:
            assert message is not None
            self.values = []
            self.method = message.method
            self.target = message.path
            self.version = message.version
            self._wants_close = message.should_close
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
        """Whether the connection is kept after a complete answer."""

    # The head, as far as the handler is concerned.

    @property
    def raw_fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """Names and values as received."""
        if self.known is not None:
            return self.known.raw_fields(self.values)
        assert self._message is not None
        return self._message.raw_headers

    def individual_values(self, name: bytes) -> Sequence[str]:
        """The values of a field of `INDIVIDUAL_FIELDS`, in order."""
        known = self.known
        if known is not None:
            names = known.template.names
            if name not in names:
                return ()
            if names.count(name) == 1:
                return (self.values[names.index(name)].decode("ascii"),)
            return [self.values[index].decode("ascii") for index, each in enumerate(names) if each == name]
        assert self._message is not None
        headers = self._message.headers
        text = name.decode("ascii")
        return headers.getall(text) if text in headers else ()

    def read_secrets(self) -> tuple[bytes, ...]:
        """What the caller's credentials hold (`identity/request_id.py`)."""
        if self.known is not None:
            return self.known.decision.secrets
        fields = self.raw_fields
        return read_secrets([value for name, value in fields if name.lower() in CREDENTIAL_FIELDS])

    def learn_for(self, heads: KnownHeads, head: bytes, framing: int) -> None:
        """Have `remember` keep the decision for the connection's next heads; `head` are this one's bytes."""
        self._heads, self.head, self._framing = heads, head, framing

    def remember(self, decision: HeadDecision) -> None:
        """Keep what was decided by this head for the next ones of its connection."""
        if self.known is not None:
            self.known.decision = decision
        elif self._heads is not None:
            assert self._message is not None
            self._heads.keep(self.head, self._message, self._framing, decision)

    # The caller, as far as attempts and admission are concerned (`upstream/shared_state.py`).

    @property
    def gone(self) -> bool:
        """Whether the caller has stopped waiting for the answer."""
        return self.caller.gone

    @property
    def has_left(self) -> bool:
        """The same, asked of the kernel, which knows it before the event loop does."""
        return self.caller.has_left

    @property
    def was_there(self) -> bool:
        """Whether the caller was still connected when the answer was written; to be asked right after it."""
        return self.caller.was_there

    def cancel_on_disconnect(self, enabled: bool, /) -> None:
        """Whether the exchange is cancelled when the caller disconnects."""
        self.caller.cancels = enabled

    def hold(self, size: int) -> None:
        """Count more bytes as held for this request. Raises `Refusal` (buffers_full)."""
        buffers = self.caller.buffers
        buffers.require_room(size)
        buffers.used += size
        self.held += size

    def release(self) -> None:
        """The request is over: release what is held for it, and stop its checks."""
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

    # Answering. Every method raises `ConnectionResetError` if the caller has disconnected.

    def send_continue(self) -> None:
        """Ask for the body, once it is sure to be read; not if all of it is here.

        Raises `Refusal` (buffers_full), too.
        """
        if not self.body.complete and not self.caller.closing:
            self.caller.buffers.require_room(1)
            self.caller.write(_CONTINUE)

    def accept_tunnel(self, opened: "OpenTunnel") -> None:
        """Answer CONNECT: what follows on this connection is TLS."""
        self.caller.accept_tunnel(opened)
        self.started = self.ended = True

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
        self.caller.expect_stream()
        self.caller.write(self._build_head(status, reason, fields, closes=closes))

    def write_piece(self, data: bytes | memoryview) -> bool:
        """Send part of a body; whether all of it is sent. `BodySink` says what that means."""
        self.write(data)
        return self.caller.sent_all

    def write(self, data: bytes | memoryview) -> None:
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
