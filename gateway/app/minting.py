"""Joins the CA, the names that may be minted, and the listener's two uses of them: tunnels, and SNI.

Made once for each data port; each configuration is applied to it. Without `ca` it gives nothing, and imports
nothing of what the CA needs.
"""

import ssl
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.config.loading.certificate_files import TlsMaterial, make_server_context
from gateway.listener.tls_context import ListenerTls
from gateway.listener.tls_transport import NamedHandshake, remember_server_name
from gateway.listener.tunnels import TunnelBounds
from gateway.policy.addressing import HostTable
from gateway.policy.tunnel_destinations import is_certified_name

if TYPE_CHECKING:
    from gateway.ca.certificate_minter import CertificateMinter, IssuingAuthority, MintedContexts


class Minting:
    """On the listener's loop; what is public is read from other threads."""

    def __init__(self, tunnels: TunnelBounds, tls: ListenerTls | None) -> None:
        self._tunnels = tunnels
        self._tls = tls
        self._minter: CertificateMinter | None = None
        self._inside: MintedContexts
        self._by_name: MintedContexts
        self.root_pem = b""
        """The root's certificate, which clients trust; empty without `ca`."""
        self.expires = 0.0
        """When the intermediate ends, in seconds since the epoch; 0 without `ca`."""

    @property
    def minted(self) -> int:
        """Certificates minted since the start."""
        return 0 if self._minter is None else self._minter.minted

    def certificates(self) -> dict[str, float]:
        """When the certificates in use end, in seconds since the epoch: the data port's, and that of `ca`."""
        found = {"the data port's certificate": self._tls.expires if self._tls is not None else 0.0}
        found["the intermediate of `ca`"] = self.expires
        return {name: expires for name, expires in found.items() if expires}

    def apply(
        self,
        authority: "IssuingAuthority | None",
        own_names: frozenset[str],
        hosts: HostTable,
        material: TlsMaterial | None,
    ) -> None:
        """Apply a configuration. `own_names` are the gateway's own, which only `tls.mint` shows."""
        self._tunnels.contexts = None
        self._tunnels.known.clear()
        self.root_pem, self.expires = b"", 0.0
        if authority is not None:
            self._mint_with(authority, material)
            self._tunnels.contexts = self._inside_context
            self.root_pem, self.expires = authority.root_pem, authority.expires
        if self._tls is None or material is None:
            return
        choose = None
        if authority is not None and material.mints:
            choose = partial(self._context_for, hosts, own_names, material)
        self._tls.replace(material.context, material.expires or self.expires, choose)

    def _mint_with(self, authority: "IssuingAuthority", material: TlsMaterial | None) -> None:
        from gateway.ca.certificate_minter import CertificateMinter, MintedContexts

        make = make_server_context if material is None else material.make
        if self._minter is None:
            self._minter = CertificateMinter(authority)
            self._inside = MintedContexts(self._minter, _make_inside)
            self._by_name = MintedContexts(self._minter, make)
            return
        if self._minter.replace(authority):
            self._inside.clear()
        self._by_name.clear(make)  # what is demanded of callers may have changed

    def _inside_context(self, name: str) -> ssl.SSLContext:
        return self._inside.context_for(name, datetime.now(UTC))

    def _context_for(
        self, hosts: HostTable, own_names: frozenset[str], material: TlsMaterial, name: str | None
    ) -> ssl.SSLContext | None:
        """What is shown to callers who ask for a name; None if there is nothing to show."""
        asked = "" if name is None else name.lower().removesuffix(".")
        if asked and (is_certified_name(hosts, asked) or asked in own_names):
            return self._by_name.context_for(asked, datetime.now(UTC))
        wildcard = f"*.{asked.partition('.')[2]}"
        if material.expires and (not asked or asked in material.names or wildcard in material.names):
            return material.context
        return None


def _make_inside() -> ssl.SSLContext:
    """For tunnels: callers show no certificate inside."""
    context = make_server_context()
    context.sslobject_class = NamedHandshake
    context.sni_callback = remember_server_name
    return context
