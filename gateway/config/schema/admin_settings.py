"""The file's `admin:`: where health, metrics and the page are, and who may see them from elsewhere.

Owns the names beneath it. That a port beyond loopback has tokens is checked in `config/checking/`.
"""

import ipaddress
from collections.abc import Iterator
from typing import Final

from pydantic import Field

from gateway.config.problems import Finding
from gateway.config.schema import addresses, values
from gateway.config.schema.secret_values import Secret, SecretRef
from gateway.config.schema.values import Section

_MIN_TOKEN: Final = 16
ADMIN_TOKENS: Final = ("page_token", "metrics_token", "operate_token")


class Admin(Section):
    """Health, metrics and the live page, on a port of their own that callers cannot reach."""

    listen: addresses.Listen = Field(
        default="127.0.0.1:9090",
        description="`host:port` of the admin server.",
        json_schema_extra=values.RESTART,
    )
    allow_remote: bool = Field(
        default=False,
        description="Whether `listen` may be an address that others can reach. Needs both tokens.",
        json_schema_extra=values.RESTART,
    )
    page_token: SecretRef | None = Field(
        default=None,
        description="Opens the page (by a login) and `/api` (as `Authorization: Bearer`). By reference.",
    )
    operate_token: SecretRef | None = Field(
        default=None,
        description="Opens what `page_token` does, and may also stop and start consumers. "
        "By reference. Without `page_token` everyone who reaches the port may.",
    )
    metrics_token: SecretRef | None = Field(
        default=None, description="Opens `/metrics` (as `Authorization: Bearer`). By reference."
    )
    hosts: tuple[values.Host, ...] = Field(
        default=(),
        description="Further DNS names that the admin port answers to, beside addresses, localhost and "
        "`listen`'s host.",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a port bound to `host`. A name but localhost may be anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_weak_tokens(
    page: Secret | None, metrics: Secret | None, operate: Secret | None
) -> Iterator[Finding]:
    """All tokens are exposed to guessing, and the metrics token is also stored in Prometheus."""
    tokens = dict(zip(ADMIN_TOKENS, (page, metrics, operate), strict=True))
    for name, token in tokens.items():
        if token is not None and len(token.reveal()) < _MIN_TOKEN:
            message = f"the value of {token.origin} has fewer than {_MIN_TOKEN} characters"
            yield Finding(("admin", name), message, "make one with: openssl rand -hex 32")
    if page is None and operate is not None:
        hint = "add `page_token: {env: NAME}` for those who may only view"
        yield Finding(("admin", "operate_token"), "needs `admin.page_token`", hint)
    for name in ("metrics_token", "operate_token"):
        token = tokens[name]
        if page is not None and token is not None and page.reveal() == token.reveal():
            yield Finding(("admin", name), "the same as `admin.page_token`", "give it its own value")
