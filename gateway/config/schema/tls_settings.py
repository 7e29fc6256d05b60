"""The file's `tls:`: how a listener proves who it is, and whether callers must prove it by certificates.

Owns the names beneath it. What the files hold is checked in `certificate_files.py`; whom a caller's
certificate stands for is a consumer's setting.
"""

from typing import Literal

from pydantic import Field

from gateway.config.schema import values
from gateway.config.schema.values import Section

ClientCertificates = Literal["none", "optional", "required"]
MinVersion = Literal["TLSv1.2", "TLSv1.3"]


class Tls(Section):
    """TLS on the port for callers. The files are read again at a reload, without dropping a connection."""

    cert_file: values.Filled | None = Field(
        default=None,
        description="The certificate (PEM), followed by the chain that leads to its CA. Needed without "
        "`mint`; beside it, it is shown to callers who ask for one of its names, or for none.",
    )
    key_file: values.Filled | None = Field(
        default=None, description="The certificate's private key (PEM), not encrypted."
    )
    mint: bool = Field(
        default=False,
        description="Whether callers who ask for a name of Twilio's (SNI) are shown a certificate for it, "
        "signed by `ca`: for clients that reach the gateway by DNS or a hosts file.",
    )
    client_certificates: ClientCertificates = Field(
        default="none",
        description="Whether callers are asked for a client certificate; `required` refuses connections "
        "without one.",
    )
    client_ca_file: values.Filled | None = Field(
        default=None, description="The CAs (PEM) whose client certificates are accepted; no others are."
    )
    min_version: MinVersion = Field(default="TLSv1.2", description="The oldest version that is spoken.")
