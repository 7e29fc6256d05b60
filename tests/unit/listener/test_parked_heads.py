"""Whose heads are shared by connections that follow each other, and for how long."""

import asyncio

import pytest

from gateway.http.tunnel import Tunnel
from gateway.identity.client_certificates import PeerCertificate
from gateway.listener.known_heads import HeadBudget, KnownHeads
from gateway.listener.parked_heads import PARKED_SECONDS, Owner, ParkedHeads, find_owner
from tests.support.moved_clock import MovedClock
from tests.unit.listener.test_known_heads import found, keep

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n\r\n"
OUTSIDE, INSIDE = Tunnel("", None), Tunnel("api.twilio.com", b"Basic eDp5", "api.twilio.com")
OWNER = Owner(b"a", "", None, b"")


def owner(
    data: bytes = HEAD, tunnel: Tunnel = OUTSIDE, certificate: PeerCertificate | None = None
) -> Owner | None:
    return find_owner(certificate, tunnel if tunnel.host else None, data)


def known(budget: HeadBudget) -> KnownHeads:
    heads = KnownHeads(8190, budget)
    keep(heads, "a")
    return heads


def test_what_makes_another_owner() -> None:
    owners = [
        owner(),
        owner(HEAD.replace(b"Bearer a", b"Bearer b")),
        *(
            owner(tunnel=tunnel)
            for tunnel in (
                INSIDE,
                INSIDE._replace(host="verify.twilio.com"),
                INSIDE._replace(proxy_authorization=None),
                INSIDE._replace(proxy_authorization=b"Basic eDp6"),
                INSIDE._replace(server_name=None),
                INSIDE._replace(server_name="verify.twilio.com"),
            )
        ),
    ]
    assert len(set(owners)) == len(owners)
    assert None not in owners
    assert owner() == owner(HEAD.replace(b"GET /", b"GET /other").replace(b"Auth", b"auth") + b"body")
    assert owner(tunnel=INSIDE) == owner(tunnel=INSIDE)


@pytest.mark.parametrize("secret", [b"Bearer a", b"Basic eDp5"])
def test_an_owner_holds_no_key(secret: bytes) -> None:
    assert secret.decode() not in repr(owner(tunnel=INSIDE))


def test_who_owns_nothing() -> None:
    assert owner(HEAD[:-2]) is None  # not whole
    assert owner(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nAuthorization: Bearer a\r\n\r\n") is None  # in the body
    assert owner(b"CONNECT x:443 HTTP/1.1\r\nProxy-Authorization: Bearer a\r\n\r\n") is None
    assert owner(certificate=PeerCertificate(("dns:x",), 1.0)) is None


async def test_heads_go_to_one_connection_at_a_time() -> None:
    budget = HeadBudget()
    parked, first, second = ParkedHeads(budget), known(budget), known(budget)
    parked.park(OWNER, first)
    parked.park(OWNER, second)
    assert parked.take(OWNER._replace(key=b"b")) is None
    assert parked.take(OWNER) is second
    assert parked.take(OWNER) is first
    assert parked.take(OWNER) is None
    assert (budget.heads, found(first, "a")) == (2, True)


async def test_they_are_dropped_soon() -> None:
    clock = MovedClock(asyncio.get_running_loop())

    async def move(seconds: float) -> None:
        clock.advance(seconds)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    budget = HeadBudget()
    parked, first, second = ParkedHeads(budget), known(budget), known(budget)
    parked.park(OWNER, first)
    await move(PARKED_SECONDS - 1)
    parked.park(OWNER, second)
    await move(2)
    assert (budget.heads, found(first, "a"), found(second, "a")) == (1, False, True)
    await move(PARKED_SECONDS)
    assert (budget.heads, parked.take(OWNER)) == (0, None)


async def test_they_are_bounded_and_another_configuration_drops_them() -> None:
    budget = HeadBudget()
    parked = ParkedHeads(budget)
    for number in range(300):
        parked.park(OWNER._replace(key=b"%d" % number), known(budget))
    parked.park(OWNER, KnownHeads(8190, budget))  # knows none
    assert budget.heads == 256
    assert parked.take(OWNER._replace(key=b"43")) is None
    assert parked.take(OWNER._replace(key=b"44")) is not None
    parked.clear()
    assert (budget.heads, parked.take(OWNER._replace(key=b"299"))) == (1, None)
