"""The limit on open files: every connection needs a descriptor, even one that is only rejected."""

import resource
from typing import Final, NamedTuple

from gateway.admin.admin_connections import MAX_CONNECTIONS
from gateway.app.options import Options
from gateway.listener.tls_context import HANDSHAKES_AT_ONCE
from gateway.observe.log.structured_log import Logger

_SPARE: Final = 500  # for listeners, Redis, files, and connections over the limit


class Descriptors(NamedTuple):
    """How many open files the configured connections need, and how many the system allows."""

    needed: int
    allowed: int

    def warn(self, log: Logger) -> None:
        """Log it if they are too few."""
        if self.allowed < self.needed:
            log.warning(
                "fewer open files are allowed than the configured connections need",
                allowed=self.allowed,
                needed=self.needed,
                hint="raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower callers.connections",
            )


def allow_connections(options: Options, *, tls: bool) -> Descriptors:
    """Raise the limit to what the configured connections need."""
    needed = options.listener.limits.connections + options.transport.connections + MAX_CONNECTIONS + _SPARE
    if tls:
        needed += HANDSHAKES_AT_ONCE
    return Descriptors(needed, allow_descriptors(needed))


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit to `wanted`, as far as the hard one goes (getrlimit(2)); what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
