"""Two consumers of tunnels, and what they send at CONNECT and inside."""

from typing import Any

from tests.support.caller import MESSAGES, request
from tests.support.running import consumer

OTHER_KEY = "gw_test-key-of-the-consumer-called-other-9999"
CONSUMERS = {"app": consumer(), "other": consumer(OTHER_KEY)}
GET = f"GET {MESSAGES}"


def get(host: str = "api.twilio.com", **more: Any) -> bytes:
    """A request inside."""
    return request(GET, **more).replace(b"Host: gateway.test", b"Host: " + host.encode())


def proxy(username: str, key: str) -> str:
    """The field that a proxy URL with a user and a key makes."""
    from tests.clients.scene import basic_token

    return f"Proxy-Authorization: Basic {basic_token(username, key)}"
