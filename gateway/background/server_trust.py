"""How servers are trusted that the gateway asks: Twilio, issuers of tokens, secret stores."""

import ssl
from pathlib import Path


def make_server_trust(ca_file: str | Path | None) -> ssl.SSLContext:
    """Trust the system's certificates, or only those of `ca_file` (PEM). Blocks while it reads them.

    A host's name must stand among the certificate's subjectAltNames (RFC 9110 4.3.4); a CN is no name.
    Raises `OSError` if the file cannot be read (`ssl.SSLError` is one).
    """
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:
        context.hostname_checks_common_name = False
    return context
