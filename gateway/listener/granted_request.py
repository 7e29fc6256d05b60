"""A caller's request once everything about it was decided: what is to be sent for whom, and by when."""

from gateway.listener.request import Request
from gateway.listener.request_body import BodyStream
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.outbound import Outbound
from gateway.upstream.response_rewriting import PublicBase


class GrantedRequest:
    """`deadline` is by the loop's clock, `stream` a body that is sent on unread. `base` is None where nothing
    of the answer is rewritten."""

    __slots__ = ("base", "body", "deadline", "grant", "outbound", "request", "stream")

    # Written out: compiled code would call a data class's constructor as one of Python's.
    def __init__(
        self,
        grant: Grant,
        outbound: Outbound,
        body: Body,
        stream: BodyStream | None,
        request: Request,
        deadline: float,
        base: PublicBase | None,
    ) -> None:
        self.grant = grant
        self.outbound = outbound
        self.body = body
        self.stream = stream
        self.request = request
        self.deadline = deadline
        self.base = base
