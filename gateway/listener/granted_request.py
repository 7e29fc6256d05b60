"""A caller's request once everything about it was decided: what is to be sent for whom, and by when."""

from dataclasses import dataclass

from gateway.listener.request import Request
from gateway.listener.request_body import BodyStream
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.outbound import Outbound
from gateway.upstream.response_rewriting import PublicBase


@dataclass(slots=True)
class GrantedRequest:
    """`deadline` is by the loop's clock, `stream` a body that is sent on unread. `base` is None where nothing
    of the answer is rewritten."""

    grant: Grant
    outbound: Outbound
    body: Body
    stream: BodyStream | None
    request: Request
    deadline: float
    base: PublicBase | None
