"""Which connection is one too many, and by what connections are counted."""

import pytest

from gateway.listener.connections import Closed, ConnectionLimits, ConnectionTracker, name_address


@pytest.mark.parametrize(
    ("peername", "counted_by"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8:1:2:3::4", 4711, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::5", 4712, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 4711, 0, 2), "fe80::/64"),
        (("::ffff:192.0.2.7", 4711, 0, 0), "192.0.2.7"),
        ("/run/gateway.sock", ""),
        (None, ""),
    ],
)
def test_connections_are_counted_by_what_one_subscriber_has(peername: object, counted_by: str) -> None:
    assert name_address(peername) == counted_by


def test_one_too_many_is_told_and_far_too_many_are_cut_off() -> None:
    guests = ConnectionTracker(ConnectionLimits(connections=3))
    fates = [guests.enter(f"192.0.2.{number}") for number in range(104)]
    assert fates[:3] == [None] * 3
    assert fates[3:103] == [Closed.REFUSED] * 100
    assert fates[103] is Closed.CUT_OFF
    assert guests.open == guests.accepted == 104
    assert guests.closed == {Closed.REFUSED: 100, Closed.CUT_OFF: 1}


def test_an_address_has_its_own_share_and_gets_it_back() -> None:
    guests = ConnectionTracker(ConnectionLimits(connections_per_address=2))
    assert [guests.enter("a"), guests.enter("a"), guests.enter("a")] == [None, None, Closed.REFUSED]
    assert guests.enter("b") is None
    for _ in range(3):
        guests.leave("a")
    assert guests.enter("a") is None
    assert guests.open == 2


def test_addresses_that_are_gone_take_no_memory() -> None:
    guests = ConnectionTracker(ConnectionLimits())
    for number in range(1000):
        guests.enter(str(number))
        guests.leave(str(number))
    assert not guests._by_address
    assert guests.open == 0


def test_new_limits_hold_for_the_next_connection() -> None:
    guests = ConnectionTracker(ConnectionLimits(connections=1))
    guests.enter("a")
    guests.limits = ConnectionLimits(connections=2)
    assert guests.enter("a") is None
