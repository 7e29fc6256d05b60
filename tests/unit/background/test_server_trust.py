"""Which servers are trusted that the gateway asks."""

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.background.server_trust import make_server_trust
from tests.support.tls import Authority


@pytest.mark.parametrize(("named", "trusted"), [(True, True), (False, False)], ids=["SAN", "B10-CN alone"])
async def test_a_host_stands_among_the_alternative_names(tmp_path: Path, named: bool, trusted: bool) -> None:
    """RFC 9110 4.3.4; Python takes a CN where there is no other name."""
    authority = Authority()
    leaf = authority.issue("localhost") if named else authority.issue_without_names("localhost")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(serving)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    trust = make_server_trust(authority.write_ca(tmp_path / "ca.pem"))
    try:
        opened = asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
        if not trusted:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await opened
        else:
            _, writer = await opened
            writer.close()
    finally:
        server.close()


def test_without_a_file_the_systems_certificates_are_trusted() -> None:
    assert make_server_trust(None).verify_mode is ssl.CERT_REQUIRED
