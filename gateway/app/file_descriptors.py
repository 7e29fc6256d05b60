"""The limit on open files: every connection needs a descriptor, even one that is only rejected."""

import resource
from typing import Final

from gateway.admin.admin_connections import MAX_CONNECTIONS
from gateway.app.options import Options
from gateway.listener.tls_context import HANDSHAKES_AT_ONCE

_SPARE: Final = 500
"""For listeners, Redis, files, and connections over the limit."""


def allow_needed(options: Options, *, with_tls: bool) -> tuple[int, int]:
    """How many open files the configured connections need, and how many are allowed now."""
    needed = options.listener.limits.connections + options.transport.connections + MAX_CONNECTIONS + _SPARE
    if with_tls:
        needed += HANDSHAKES_AT_ONCE
    return needed, allow_descriptors(needed)


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit to `wanted`, as far as the hard one goes (getrlimit(2)); what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
