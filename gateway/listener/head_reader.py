"""Finds a request's head in what a connection received: one that it sent before, or one that is parsed.

Nothing of a head is judged here; `known_heads.py` keeps those that were let through.
"""

from gateway.listener.caller_transport import CallerTransport
from gateway.listener.connection_scope import ConnectionScope
from gateway.listener.known_heads import MAX_HEAD_BYTES, KnownHeads
from gateway.listener.parked_heads import Owner, find_owner
from gateway.listener.request import Request
from gateway.listener.request_parser import RequestParser, read_framing
from gateway.listener.tunnels import CONNECT


class HeadReader:
    """Of one connection. Of the head that was found last, `end` is where it ends in the data given, and
    `framing` what follows it, as `read_framing` gives it.
    """

    __slots__ = ("_caller", "_first", "_known", "_owner", "_parser", "_scope", "end", "framing")

    def __init__(self, scope: ConnectionScope, caller: CallerTransport) -> None:
        self._scope = scope
        self._caller = caller
        self._parser = RequestParser(scope.heads)
        self._known: KnownHeads | None = None
        self._owner: Owner | None = None
        self._first = True
        self.end = 0
        self.framing = 0

    @property
    def begun(self) -> bool:
        """Whether part of a head has come, and the rest has not."""
        return self._parser.begun

    @property
    def unused(self) -> bool:
        """Whether it has read nothing yet."""
        return self._first

    def recall(self, data: bytes) -> Request | None:
        """The request that `data` begins with, if the connection, or the caller's last one, sent its head."""
        first = self._first
        if first:
            if data.startswith(CONNECT):  # it opens a tunnel, or it is read
                return None
            self._first = False
            self._owner = owner = find_owner(*self._caller.proofs, data)
            if owner is not None:
                self._known = self._scope.parked.take(owner)
        if self._known is None or self._parser.begun:
            return None
        known = self._known.find(data)
        if known is None:
            return None
        if first and self._caller.tunnel is not None:
            self._caller.tunnel.head_came()
        self.framing = known.read_framing()
        self.end = known.template.end
        return Request(self._caller, None, known)

    def read(self, data: bytes) -> Request | None:
        """The request whose head ends in `data`; None until it does. Raises `Refusal`."""
        began = self._parser.begun
        self._first = False
        message, end = self._parser.feed(data)
        if message is None:
            return None
        self.end = end
        self.framing = framing = read_framing(message)
        request = Request(self._caller, message)
        if not began and end <= MAX_HEAD_BYTES and not message.upgrade:
            if self._known is None:
                self._known = KnownHeads(self._scope.heads.line_bytes, self._scope.head_budget)
            request.learn_for(self._known, data[:end], framing)
        elif not began and end == len(data) and message.method == "CONNECT":
            request.head = data
        return request

    def close(self, *, park: bool) -> None:
        """Forget the heads that are known, as the connection has ended or goes on inside a tunnel; or `park`
        them, which is right only where no request is handled that could add one."""
        if self._known is None:
            return
        if park and self._owner is not None:
            self._scope.parked.park(self._owner, self._known)
        else:
            self._scope.head_budget.leave(self._known)
