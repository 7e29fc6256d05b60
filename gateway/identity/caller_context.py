"""A listener's TLS context that knows by what client certificates are verified."""

import ssl


class CallerContext(ssl.SSLContext):
    """`trusted` is the PEM text of the certificates that its environment trusts, '' if it asks for none.

    OpenSSL lists CAs only (`get_ca_certs`), and trusts a client's own certificate, too.
    """

    trusted = ""

    def trust(self, trusted: str) -> None:
        """Verify client certificates by these. Raises `ssl.SSLError`."""
        self.load_verify_locations(cadata=trusted)
        self.trusted = trusted


def describe_client_terms(context: ssl.SSLContext) -> tuple[ssl.VerifyMode, frozenset[bytes], str]:
    """What is the same of two contexts that verify client certificates alike."""
    trusted = context.trusted if isinstance(context, CallerContext) else ""
    return context.verify_mode, frozenset(context.get_ca_certs(binary_form=True)), trusted
