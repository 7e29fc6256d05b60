"""Mints certificates for names as they are asked for, and keeps one per name in memory.

A leaf is replaced well before it ends, and when the intermediate is. Which names may be minted, the caller
says. On the listener's loop; the counts are read from other threads.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from gateway.ca.certificate_authority import SigningPair, is_permitted, make_leaf, permitted_names, to_pem
from gateway.ca.unnamed_files import load_pair

_KEPT_SHARE: Final = 3
"""A leaf is replaced once less than a third of its life is left."""
_LEAST_KEPT: Final = timedelta(hours=1)
"""How long it is kept even so: that of an intermediate near its own end is short."""
_MOST_KEPT: Final = 2048
"""Leaves in memory; the least recently used one is dropped first. There are fewer names than that."""


@dataclass(frozen=True, slots=True)
class IssuingAuthority:
    """The intermediate that the gateway holds, and the root's certificate, which clients trust."""

    pair: SigningPair
    root: x509.Certificate
    permitted: tuple[str, ...] = field(init=False)
    """The names that it may sign for, with all beneath them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "permitted", permitted_names(self.pair.certificate))

    @property
    def chain_pem(self) -> bytes:
        """What follows a leaf in the chain: the intermediate, not the root."""
        return to_pem(self.pair.certificate)

    @property
    def root_pem(self) -> bytes:
        """What clients trust."""
        return to_pem(self.root)

    @property
    def expires(self) -> float:
        """When the intermediate ends, in seconds since the epoch."""
        return self.pair.certificate.not_valid_after_utc.timestamp()

    def permits(self, name: str) -> bool:
        """Whether clients accept a leaf for this name."""
        return is_permitted(name, self.permitted)


@dataclass(frozen=True, slots=True)
class _Leaf:
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    replace_at: datetime


class CertificateMinter:
    """One intermediate, and the leaves that it signed."""

    def __init__(
        self, authority: IssuingAuthority, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.authority = authority
        self.minted = 0
        """Leaves that were made, since the start."""
        self._now = now
        self._leaves: dict[str, _Leaf] = {}

    def replace(self, authority: IssuingAuthority) -> bool:
        """Sign with another intermediate. Returns False if it is the same."""
        if authority.pair.certificate == self.authority.pair.certificate:
            return False
        self.authority = authority
        self._leaves.clear()
        return True

    def load_into(self, context: ssl.SSLContext, name: str) -> datetime:
        """Have a context show the leaf of a name; when to ask again. Raises `ssl.SSLError`, `OSError`."""
        leaf = self._leaf(name)
        load_pair(context, leaf.chain_pem, leaf.key_pem)
        return leaf.replace_at

    def _leaf(self, name: str) -> _Leaf:
        now = self._now()
        leaf = self._leaves.pop(name, None)
        if leaf is None or now >= leaf.replace_at:
            leaf = self._mint(name, now)
        self._leaves[name] = leaf
        while len(self._leaves) > _MOST_KEPT:
            del self._leaves[next(iter(self._leaves))]
        return leaf

    def _mint(self, name: str, now: datetime) -> _Leaf:
        self.minted += 1
        pair = make_leaf(self.authority.pair, name, now)
        ends = pair.certificate.not_valid_after_utc
        replace_at = max(ends - (ends - now) / _KEPT_SHARE, now + _LEAST_KEPT)
        return _Leaf(to_pem(pair.certificate) + self.authority.chain_pem, pair.key_pem, replace_at)


class MintedContexts:
    """TLS contexts that show minted leaves, one per name. `make` gives a context without a certificate."""

    def __init__(self, minter: CertificateMinter, make: Callable[[], ssl.SSLContext]) -> None:
        self._minter = minter
        self._make = make
        self._contexts: dict[str, tuple[ssl.SSLContext, datetime]] = {}

    def clear(self, make: Callable[[], ssl.SSLContext] | None = None) -> None:
        """Discard the contexts, so that each is made again, by `make` if it is given."""
        self._make = make or self._make
        self._contexts.clear()

    def context_for(self, name: str, now: datetime) -> ssl.SSLContext:
        """The context of a name. Raises `ssl.SSLError`, `OSError` where it cannot be made."""
        found = self._contexts.get(name)
        if found is not None and now < found[1]:
            return found[0]
        context = self._make()
        replace_at = self._minter.load_into(context, name)
        self._contexts.pop(name, None)
        self._contexts[name] = context, replace_at
        while len(self._contexts) > _MOST_KEPT:
            del self._contexts[next(iter(self._contexts))]
        return context
