"""Why a port could not be opened, and what to do about it."""

import errno
import socket

from gateway.config.loading.environment import variable_of
from gateway.config.schema.addresses import ListenAddress


class ListenError(Exception):
    """`setting` is the one that names the address; `str()` is a sentence for the operator."""

    def __init__(self, setting: str, address: ListenAddress, error: OSError) -> None:
        self.setting = setting
        place = f"{bracketed(address.host)}:{address.port}"
        reason, remedy = explain_listen_failure(error)
        variable = variable_of(setting)
        super().__init__(
            f"Cannot listen on {place}: {reason}. {remedy} Change `{setting}` or set {variable}."
        )


def explain_listen_failure(error: OSError) -> tuple[str, str]:
    """What happened, and what it probably means."""
    if isinstance(error, socket.gaierror):
        return "the host name has no address", "The name is unknown here."
    reasons = {
        errno.EADDRINUSE: ("the port is taken", "Another gateway or another program has it."),
        errno.EADDRNOTAVAIL: (
            "the address is not one of this machine's",
            "Write 0.0.0.0 for every interface.",
        ),
        errno.EACCES: (
            "permission denied",
            "Ports below 1024 need the capability CAP_NET_BIND_SERVICE; ports from 1024 on need none.",
        ),
    }
    return reasons.get(error.errno or 0, (error.strerror or type(error).__name__, "The system refused it."))


def bracketed(host: str) -> str:
    """A host as a URL writes it (RFC 3986 3.2.2)."""
    return f"[{host}]" if ":" in host else host
