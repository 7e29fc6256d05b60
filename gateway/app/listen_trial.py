"""Addresses that no port could be opened at, for `gateway check`: unknown names, other machines' addresses.

That a port is taken says nothing: the gateway itself may be running. Nothing listens for a moment.
"""

import errno
import socket
from collections.abc import Iterator
from typing import Final

from gateway.app.listen_error import bracketed, explain_listen_failure
from gateway.config.loading.resolved import ResolvedSettings, Role
from gateway.config.problems import KeyPath, Problem
from gateway.config.schema.addresses import ListenAddress

_FIRST_FREE_FOR_ALL: Final = 1024
"""Below it a port takes a right of its own (ip(7), `ip_unprivileged_port_start`)."""


def find_unopenable(resolved: ResolvedSettings) -> Iterator[Problem]:
    """Temporary problems, as an address may be given to this machine later. Asks the system's resolver."""
    for place, address, is_secure in _addresses(resolved):
        if (error := _try(address, only_first=is_secure)) is not None:
            reason, remedy = explain_listen_failure(error)
            message = f"cannot listen on {bracketed(address.host)}:{address.port}: {reason}"
            hint = remedy[0].lower() + remedy[1:].rstrip(".")
            if error.errno == errno.EACCES:
                hint += "; check as the user who runs the gateway"
            yield resolved.origins.problem(place, message, hint, temporary=True)


def _addresses(resolved: ResolvedSettings) -> Iterator[tuple[KeyPath, ListenAddress, bool]]:
    """Setting, address, and whether it is opened with TLS."""
    if resolved.role is not Role.WEBHOOKS:
        yield ("listen",), resolved.listen, resolved.tls is not None
    yield ("admin", "listen"), resolved.admin_listen, False
    if (webhooks := resolved.webhooks) is not None:
        yield ("webhooks", "listen"), webhooks.listen, webhooks.tls is not None


def _try(address: ListenAddress, *, only_first: bool) -> OSError | None:
    """Why no socket can be bound there. A port with TLS is opened at the first address of a name, others at
    each but those whose family the kernel lacks: `localhost` is ::1 as well where IPv6 is switched off."""
    port = address.port if address.port < _FIRST_FREE_FOR_ALL else 0
    missing: OSError | None = None
    bound = False
    try:
        found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, name in found[:1] if only_first else found:
            try:
                trial = socket.socket(family, kind, protocol)
            except OSError as error:
                missing = error
                continue
            with trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(name)
                bound = True
    except OSError as error:  # gaierror is one
        return None if error.errno == errno.EADDRINUSE else error
    except UnicodeError:
        return socket.gaierror()
    return None if bound else missing
