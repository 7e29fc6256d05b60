"""Sessions end, are bounded, and hang on their token; guessing is slow, and whoever guesses stays apart."""

from gateway.admin.sessions import SESSION_SECONDS, LoginThrottle, Sessions, digest

TOKEN, NEXT_TOKEN = digest("the token"), digest("the next token")
NOW = 1000.0


def test_a_session_holds_until_it_ends() -> None:
    sessions = Sessions()
    identifier = sessions.begin(TOKEN, NOW)
    assert sessions.holds(identifier, TOKEN, NOW + SESSION_SECONDS - 1)
    assert not sessions.holds(identifier, TOKEN, NOW + SESSION_SECONDS)
    assert not sessions.holds(identifier + "x", TOKEN, NOW)
    assert not sessions.holds("", TOKEN, NOW)


def test_a_session_ends_with_its_token() -> None:
    """Replacing the token logs everybody out."""
    sessions = Sessions()
    identifier = sessions.begin(TOKEN, NOW)
    assert not sessions.holds(identifier, NEXT_TOKEN, NOW)


def test_logging_out_ends_one_session() -> None:
    sessions = Sessions()
    first, second = sessions.begin(TOKEN, NOW), sessions.begin(TOKEN, NOW)
    sessions.end(first)
    sessions.end("nobody's")
    assert not sessions.holds(first, TOKEN, NOW)
    assert sessions.holds(second, TOKEN, NOW)


def test_sessions_are_bounded() -> None:
    """The oldest makes room."""
    sessions = Sessions()
    identifiers = [sessions.begin(TOKEN, NOW) for _ in range(1001)]
    assert len(set(identifiers)) == 1001
    assert not sessions.holds(identifiers[0], TOKEN, NOW)
    assert sessions.holds(identifiers[1], TOKEN, NOW)


def _fail(guesses: LoginThrottle, address: str, times: int, now: float = NOW) -> None:
    for _ in range(times):
        assert guesses.wait_seconds(address, now) == 0
        guesses.failed(address, now)


def test_ten_guesses_then_one_every_six_seconds() -> None:
    guesses = LoginThrottle()
    _fail(guesses, "10.0.0.1", 10)
    assert 5 < guesses.wait_seconds("10.0.0.1", NOW) <= 6
    assert guesses.wait_seconds("10.0.0.2", NOW) == 0
    _fail(guesses, "10.0.0.1", 1, NOW + 6)
    assert guesses.wait_seconds("10.0.0.1", NOW + 6) > 0
    _fail(guesses, "10.0.0.1", 10, NOW + 100)


def test_an_ipv6_network_is_one_guesser() -> None:
    guesses = LoginThrottle()
    for number in range(10):
        _fail(guesses, f"2001:db8::{number}", 1)
    assert guesses.wait_seconds("2001:db8::ffff", NOW) > 0
    assert guesses.wait_seconds("2001:db8:0:1::1", NOW) == 0


def test_many_addresses_take_no_more_memory() -> None:
    """Beyond 1,000 they share one count, and those before are not forgotten."""
    guesses = LoginThrottle()
    _fail(guesses, "192.0.2.1", 10)
    for number in range(999):
        guesses.failed(f"10.1.{number // 256}.{number % 256}", NOW)
    for number in range(10):
        guesses.failed(f"10.2.0.{number}", NOW)
    assert guesses.wait_seconds("10.3.0.1", NOW) > 0
    assert guesses.wait_seconds("192.0.2.1", NOW) > 0
