"""Consumers that show tokens of one issuer, and calls of theirs."""

from typing import Any

from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.canaries import auth
from tests.support.jwt import (
    AUDIENCE,
    ISSUER,
    SUBJECT,
    KeyServer,
)
from tests.support.running import Running, consumer

NAMESPACE = {"/kubernetes.io/namespace": "shop", "/kubernetes.io/serviceaccount/name": "mail"}
CONSUMERS: dict[str, Any] = {
    "app": consumer(),
    "billing": consumer(keys=[], jwt=[{"issuer": "cluster", "claims": {"sub": SUBJECT}}]),
    "mail": consumer(keys=[], jwt=[{"issuer": "cluster", "claims": NAMESPACE}]),
}


def issuer(server: KeyServer, **settings: Any) -> dict[str, Any]:
    """The entry of `jwt`."""
    return {"name": "cluster", "issuer": ISSUER, "audience": AUDIENCE, "jwks_url": server.url, **settings}


async def show(gateway: Running, token: str, *fields: str, user: str | None = None) -> RawAnswer:
    """A POST with the token."""
    shown = f"Bearer {token}" if user is None else auth(user, token)
    return await ask(gateway.port, request(f"POST {MESSAGES}", FORM, *fields, body=b"To=1", auth=shown))


KUBERNETES = {"namespace": "shop", "pod": {"name": "p", "uid": "1"}, "serviceaccount": {"name": "mail"}}
