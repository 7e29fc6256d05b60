"""The file's `ca:`: the intermediate that certificates for Twilio's names are signed with.

Owns the names beneath it. What the files hold is judged in `config/loading/authority_file.py`.
"""

from pydantic import Field

from gateway.config.schema import values
from gateway.config.schema.secret_values import LocalRef
from gateway.config.schema.values import Section


class CaSettings(Section):
    """The CA of tunnels (CONNECT) and of `tls.mint`, made by `gateway ca init`. Needs the `cryptography`
    extra. Clients trust its root; what that means is in [security.md](security.md#the-gateways-own-ca)."""

    certificate: values.Filled = Field(
        description="`ca.pem`: the certificates (PEM) of the intermediate and of the root, in this order. "
        "Read again at a reload."
    )
    key: LocalRef = Field(
        description="`ca.key`: the intermediate's private key (PEM), not encrypted. The root's key is never "
        "given to the gateway."
    )
    names: tuple[values.Host, ...] = Field(
        default=(),
        description="The gateway's own names, which `tls.mint` shows certificates for besides Twilio's and "
        "`upstream.extra_hosts`. The intermediate must have been made for them: `gateway ca renew --host`.",
    )
