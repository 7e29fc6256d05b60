"""How an attempt fails, by the phase it was in; of failures to connect, why, as one reason of a fixed list.

No text quotes what an exception says: that can hold header fields.
"""

import errno
import re
import ssl
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientResponseError,
    ServerDisconnectedError,
)

from gateway.errors import FailurePhase, UpstreamFailure

_DETAIL: Final = "No connection to Twilio could be made; nothing was sent, so it is safe to try again."

_BY_ERRNO: Final = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EPERM: "not_permitted",
    errno.EACCES: "not_permitted",
    errno.EMFILE: "no_descriptors",
    errno.ENFILE: "no_descriptors",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.ENETDOWN: "no_route",
    errno.EHOSTDOWN: "no_route",
    errno.EADDRNOTAVAIL: "no_local_address",
}
"""Of several, the first says most: without IPv6 there is no route to some of a name's addresses anyway."""
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
# OpenSSL's X509_V_ERR_… (openssl-verification-options(1)).
_BY_VERIFY_CODE: Final = {
    2: "certificate_untrusted",
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    18: "certificate_untrusted",
    19: "certificate_untrusted",
    20: "certificate_untrusted",
    21: "certificate_untrusted",
    62: "certificate_name",
    64: "certificate_name",
}
_BY_PROXY_STATUS: Final = {407: "proxy_authentication", 403: "proxy_forbidden"}

REASONS: Final = tuple(
    sorted(
        {
            *_BY_ERRNO.values(),
            *_BY_VERIFY_CODE.values(),
            *_BY_PROXY_STATUS.values(),
            "certificate_invalid",
            "dns",
            "network",
            "proxy_refused",
            "proxy_unreachable",
            "tls",
        }
    )
)
"""Every reason there is: label values of metrics, and what documents list."""


def unreachable(error: Exception, *, is_looked_up: bool = False) -> UpstreamFailure:
    """No connection could be made, because of `error`. It is safe to try again.

    `is_looked_up`: the name server has not answered yet.
    """
    failure = UpstreamFailure("upstream_unreachable", FailurePhase.CONNECT, _DETAIL)
    failure.reason = "dns" if is_looked_up else reason_of(error)
    return failure


def lost() -> UpstreamFailure:
    """The connection ended before an answer's head came."""
    return UpstreamFailure(
        "upstream_lost",
        FailurePhase.SENT,
        "The connection broke before Twilio answered; it may have done what was asked.",
    )


def timed_out() -> UpstreamFailure:
    """No head by the deadline, or a body that fell silent."""
    return UpstreamFailure(
        "upstream_timeout",
        FailurePhase.SENT,
        "Twilio did not answer in time; it may have done what was asked.",
    )


def unreadable() -> UpstreamFailure:
    """An answer that is not HTTP, that two readers could take for two answers, or that was cut short."""
    return UpstreamFailure(
        "upstream_unreadable",
        FailurePhase.RESPONSE,
        "Twilio's answer was cut short or is not valid HTTP.",
    )


def reason_of(error: Exception) -> str:
    """One of `REASONS`."""
    if isinstance(error, ClientConnectorCertificateError):
        return _certificate_reason(error.certificate_error)
    if isinstance(error, ClientHttpProxyError):
        return _BY_PROXY_STATUS.get(error.status, "proxy_refused")
    if isinstance(error, ClientProxyConnectionError):
        return "proxy_unreachable"
    if isinstance(error, ClientConnectorDNSError | UnicodeError):
        return "dns"
    if isinstance(error, ServerDisconnectedError | ClientResponseError):
        return "proxy_refused"  # only a proxy's answer is read here
    if isinstance(error, TimeoutError):
        return "timeout"
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_reason(cause)
    if isinstance(cause, ssl.SSLError):
        return "tls"
    if isinstance(cause, ConnectionResetError):
        return "reset"
    return _network_reason(cause) if isinstance(cause, OSError) else "network"


def _network_reason(error: OSError) -> str:
    """Of several addresses that failed in different ways, the connector tells the text alone."""
    told = {error.errno} if error.errno is not None else {int(each) for each in _ERRNO.findall(str(error))}
    return next((reason for number, reason in _BY_ERRNO.items() if number in told), "network")


def _certificate_reason(error: Exception) -> str:
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    return _BY_VERIFY_CODE.get(code, "certificate_invalid")
