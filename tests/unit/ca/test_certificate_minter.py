"""Leaves are minted once per name, and again when they or their issuer grow old."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from gateway.ca import certificate_minter
from gateway.ca.certificate_authority import make_intermediate, make_root
from gateway.ca.certificate_minter import CertificateMinter, IssuingAuthority, MintedContexts

NOW = datetime.now(UTC)
ROOT = make_root(NOW)


def authority(now: datetime = NOW) -> IssuingAuthority:
    """An intermediate made at `now`."""
    return IssuingAuthority(make_intermediate(ROOT, [], now), ROOT.certificate)


def server() -> ssl.SSLContext:
    """A context without a certificate."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def make() -> tuple[CertificateMinter, MintedContexts, Clock]:
    """A minter, and contexts of it, under a clock."""
    clock = Clock()
    minter = CertificateMinter(authority(), clock)
    return minter, MintedContexts(minter, server), clock


def test_one_minting_per_name() -> None:
    minter, contexts, clock = make()
    others = MintedContexts(minter, server)
    first = contexts.context_for("api.twilio.com", clock.now)
    assert contexts.context_for("api.twilio.com", clock.now) is first
    assert others.context_for("api.twilio.com", clock.now) is not first
    assert minter.minted == 1
    contexts.context_for("verify.twilio.com", clock.now)
    assert minter.minted == 2


def test_a_leaf_is_replaced_before_it_ends() -> None:
    minter, contexts, clock = make()
    contexts.context_for("api.twilio.com", clock.now)
    clock.now += timedelta(days=4)
    contexts.context_for("api.twilio.com", clock.now)
    assert minter.minted == 1
    clock.now += timedelta(days=1)
    contexts.context_for("api.twilio.com", clock.now)
    assert minter.minted == 2


def test_the_least_recently_used_leaf_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_minter, "_MOST_KEPT", 2)
    minter, contexts, clock = make()
    others = MintedContexts(minter, server)
    for name in ("a.twilio.com", "b.twilio.com"):
        contexts.context_for(name, clock.now)
    others.context_for("a.twilio.com", clock.now)
    contexts.context_for("c.twilio.com", clock.now)
    assert (minter.minted, len(minter._leaves), len(contexts._contexts)) == (3, 2, 2)
    others.clear()
    others.context_for("a.twilio.com", clock.now)
    assert minter.minted == 3
    others.context_for("b.twilio.com", clock.now)
    assert minter.minted == 4


def test_an_issuer_at_its_end_does_not_mint_at_every_handshake() -> None:
    minter, contexts, clock = make()
    clock.now += timedelta(days=95)
    for _ in range(3):
        contexts.context_for("api.twilio.com", clock.now)
    assert minter.minted == 1


def test_another_intermediate() -> None:
    minter, contexts, clock = make()
    contexts.context_for("api.twilio.com", clock.now)
    assert not minter.replace(IssuingAuthority(minter.authority.pair, ROOT.certificate))
    assert minter.replace(authority())
    contexts.clear()
    contexts.context_for("api.twilio.com", clock.now)
    assert minter.minted == 2


def test_nothing_shows_a_key() -> None:
    minter, contexts, clock = make()
    contexts.context_for("api.twilio.com", clock.now)
    assert "PRIVATE" not in repr(vars(minter))
    assert "PRIVATE" not in repr(vars(contexts))
