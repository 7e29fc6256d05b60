"""The bytes of one attempt: what was decided, with the credential set last."""

from gateway.consumers.credentials import ApiKey
from gateway.policy.outbound import Outbound


def build_head(outbound: Outbound, key: ApiKey) -> bytes:
    """The whole head, its last empty line included. It holds the credential."""
    length = outbound.length
    if length is None:
        framing = b"Transfer-Encoding: chunked\r\n"
    else:
        framing = b"" if length < 0 else b"Content-Length: %d\r\n" % length
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%bAuthorization: %b\r\n%b\r\n" % (
        outbound.method.encode("ascii"),
        outbound.target.encode("ascii"),
        outbound.host.encode("ascii"),
        outbound.fields,
        key.authorization,
        framing,
    )


def build_request(outbound: Outbound, key: ApiKey) -> bytes:
    """Head and body in one piece; of a request whose body is streamed, the head."""
    return build_head(outbound, key) + outbound.body
